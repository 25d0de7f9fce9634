"""Artefact: a compiled model on disk, content-addressed, checked by its manifest, published whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from matcher.encoder.model_source import ModelSource

# Increased whenever the way a model is compiled changes, so that older artefacts are not used.
RECIPE = 4
UNIVERSAL_RECIPE = "universal-1"
MANIFEST = "manifest.json"
CALIBRATION = Path(__file__).with_name("calibration.txt")
# CPU features that decide how a quantised matrix product is rounded: an artefact checked on one CPU is not for another.
_CPU_FEATURES = {"avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm"}

# Mean cosine with the original model's vectors below which a compiled model is not served; the packaged model in int8
# has 0.998.
LEAST_COSINE = 0.98
# File of the original model's vectors of `reference_texts`.
REFERENCE = "reference.npy"
_HELD_OUT_STEP = 16

Precision = Literal["int8", "bf16", "fp32"]
Pooling = Literal["mean", "cls", "lasttoken"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What running an artefact needs, and the SHA-256 of each of its files.

    `cosine` is the mean cosine with the original model over the reference texts; `reason` says why the artefact has its
    precision; `packed` tells whether several texts share a row; `first_position` is the first token's position.
    """

    model: str
    fingerprint: str
    precision: Precision
    reason: str
    cosine: float
    dimension: int
    max_length: int
    pad_id: int
    pad_left: bool
    lower_case: bool
    prompt: str
    packed: bool
    pooling: Pooling
    first_position: int
    files: dict[str, str]

    def to_json(self) -> str:
        """Return the manifest as text."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)


class ArtifactBroken(Exception):
    """An artefact lacks a file, or a file differs from the manifest; never leaves this package."""


def calibration_texts() -> list[str]:
    """Return the sentences that calibrate quantisation: people's own words, because templates cost agreement."""
    return [text for number, text in enumerate(_sentences()) if number % _HELD_OUT_STEP]


def reference_texts() -> list[str]:
    """Return the texts that a compiled model is checked with: none of them calibrates it, the last two are long."""
    held_out = _sentences()[::_HELD_OUT_STEP]
    return [*held_out, " ".join(held_out[:6]), " ".join(held_out)]


def _sentences() -> list[str]:
    return CALIBRATION.read_text(encoding="utf-8").splitlines()


def artifact_key(source: ModelSource) -> str:
    """Return 32 hex digits of what decides the vectors: recipe, model, the runtime's version and the CPU.

    The versions of what compiles do not decide them: an artefact is checked against the original's vectors when it is
    made and each time it is opened, and an installation that only serves must find what another one compiled.
    """
    decides: dict[str, object] = {"fingerprint": source.fingerprint, "recipe": RECIPE}
    if source.family == "universal":
        decides["recipe"] = UNIVERSAL_RECIPE
    else:
        decides["calibration"] = hashlib.sha256(CALIBRATION.read_bytes()).hexdigest()
    decides |= {"openvino": _version("openvino"), "machine": platform.machine(), "cpu": sorted(_cpu_features())}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]


def read_artifact(folder: Path) -> Manifest:
    """Return the manifest of an artefact, every file checked against it; raise ArtifactBroken where one differs."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if not isinstance(content, dict) or set(content) != {field.name for field in fields(Manifest)}:
            raise ArtifactBroken("its manifest has other fields")
        manifest = Manifest(**content)
        for name, digest in manifest.files.items():
            with (folder / name).open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                    raise ArtifactBroken(f"{name} is not as it was written")
    except (OSError, ValueError) as error:
        raise ArtifactBroken(f"it cannot be read ({type(error).__name__})") from error
    return manifest


def digest_files(folder: Path) -> dict[str, str]:
    """Flush each file of a folder to the disk and return its SHA-256, by name."""
    digests = {}
    for file in sorted(path for path in folder.iterdir() if path.name != MANIFEST):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            digests[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests


def publish_artifact(built: Path, folder: Path) -> None:
    """Move a finished artefact to its place in one step; a broken artefact there is removed first."""
    if folder.exists():
        broken = folder.with_name(f".{folder.name}.broken")
        shutil.rmtree(broken, ignore_errors=True)
        folder.rename(broken)
        shutil.rmtree(broken, ignore_errors=True)
    built.rename(folder)
    directory = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _cpu_features() -> Iterator[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        yield platform.processor()
        return
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            yield from _CPU_FEATURES.intersection(value.split())
            return
