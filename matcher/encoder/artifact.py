"""A compiled model on disk: content-addressed, checked against its manifest, put in place whole or not at all."""

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

# Raised whenever the way a model is compiled changes, so that older artefacts are left alone and not used.
RECIPE = 4
MANIFEST = "manifest.json"
CALIBRATION = Path(__file__).with_name("calibration.txt")
# What decides how a quantised matrix product is rounded: an artefact proven on one kind of CPU is not for another.
_CPU_FEATURES = {"avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm"}

# Of vectors against the original's, a mean; below it a compiled model is not served. int8 of the packaged model: 0.998.
LEAST_COSINE = 0.98
# The original's vectors of `reference_texts`.
REFERENCE = "reference.npy"
_HELD_OUT_STEP = 16

Precision = Literal["int8", "bf16", "fp32"]
Pooling = Literal["mean", "cls", "lasttoken"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is needed to run an artefact, and the SHA-256 of every file of it.

    `cosine` is the mean agreement with the original model over the reference texts, `reason` why the precision is what
    it is; `packed` says that several texts share a row, `first_position` where a text's positions begin.
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
        """Return the manifest as it is written."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)


class ArtifactBroken(Exception):
    """An artefact is missing a file, or a file is not what the manifest says; never leaves this package."""


def calibration_texts() -> list[str]:
    """Return the sentences a model is quantised on: as people write, because templates cost agreement."""
    return [text for row, text in enumerate(_written()) if row % _HELD_OUT_STEP]


def reference_texts() -> list[str]:
    """Return the texts a compiled model is judged by: none of them calibrates, the last two are long."""
    held_out = _written()[::_HELD_OUT_STEP]
    return [*held_out, " ".join(held_out[:6]), " ".join(held_out)]


def _written() -> list[str]:
    return CALIBRATION.read_text(encoding="utf-8").splitlines()


def artifact_key(source: ModelSource) -> str:
    """Return 32 hex digits of everything that decides what compiling gives."""
    decides = {
        "fingerprint": source.fingerprint,
        "recipe": RECIPE,
        "calibration": hashlib.sha256(CALIBRATION.read_bytes()).hexdigest(),
        "versions": {name: _version(name) for name in ("openvino", "nncf", "sentence-transformers")},
        "machine": platform.machine(),
        "cpu": sorted(_cpu_features()),
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]


def read_artifact(folder: Path) -> Manifest:
    """Return the manifest of an artefact whose every file is as written; raise ArtifactBroken otherwise."""
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if not isinstance(told, dict) or set(told) != {field.name for field in fields(Manifest)}:
            raise ArtifactBroken("its manifest has other fields")
        manifest = Manifest(**told)
        for name, digest in manifest.files.items():
            with (folder / name).open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                    raise ArtifactBroken(f"{name} is not as it was written")
    except (OSError, ValueError) as error:
        raise ArtifactBroken(f"it cannot be read ({type(error).__name__})") from error
    return manifest


def digest_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a folder, by name, having made sure that each is on the disk."""
    digests = {}
    for file in sorted(path for path in folder.iterdir() if path.name != MANIFEST):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            digests[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests


def publish_artifact(built: Path, folder: Path) -> None:
    """Move a finished artefact to its place, in one step; a broken one there is taken away first."""
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
