"""Examination of the models on this machine: whether their files are the published ones, and compiled already."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from matcher.encoder.artifact import ArtifactBroken, artifact_key, read_artifact
from matcher.encoder.model_source import find_model
from matcher.encoder.settings import PACKAGED_MODEL, PACKAGED_PAIR, UNIVERSAL_MODEL
from matcher.errors import ModelUnusable


@dataclass(frozen=True, slots=True)
class ModelFound:
    """One model: `wrong` says why it cannot be used, `compiled` how it runs; both "" where the next start compiles."""

    model: str
    wrong: str = ""
    compiled: str = ""
    broken: str = ""
    """Why the compiled model in the cache is not used."""


async def examine_models(model: str, cache_dir: Path) -> list[ModelFound]:
    """Look at the models of a setting; compile nothing, and download nothing for packaged models and folders."""
    names = (PACKAGED_MODEL, UNIVERSAL_MODEL) if model == PACKAGED_PAIR else (model,)
    return [await asyncio.to_thread(_examine, name, cache_dir) for name in names]


def _examine(model: str, cache_dir: Path) -> ModelFound:
    try:
        source = find_model(model)
    except ModelUnusable as fault:
        return ModelFound(model, wrong=fault.message)
    folder = cache_dir / artifact_key(source)
    if not folder.exists():
        return ModelFound(model)
    try:
        manifest = read_artifact(folder)
    except ArtifactBroken as broken:
        return ModelFound(model, broken=str(broken))
    return ModelFound(model, compiled=f"{manifest.precision}, {manifest.reason}")
