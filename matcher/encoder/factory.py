"""Factory of the encoder: chooses the runtime of a model and gives the reason."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import BoundedSemaphore

from matcher.encoder.artifact_cache import COMPILE_EXTRA, CompilingFailed, obtain_artifact
from matcher.encoder.batching_encoder import BatchingEncoder
from matcher.encoder.model_source import ModelSource, find_model
from matcher.encoder.paired_encoder import PairedEncoder, TextReading, paired_fingerprint
from matcher.encoder.protocols import Encoder, Runtime
from matcher.encoder.settings import (
    PACKAGED_MODEL,
    PACKAGED_PAIR,
    UNIVERSAL_MODEL,
    EncoderObserver,
    EncoderSettings,
)
from matcher.errors import ModelUnusable


async def open_encoder(
    settings: EncoderSettings,
    progress: Callable[[str], None],
    *,
    observer: EncoderObserver | None = None,
    reading: TextReading | None = None,
) -> Encoder:
    """Return a working encoder; the first start with a model compiles it, and reports how long that takes.

    `progress` is called with each step, on the event loop; `reading`: how a pair of models reads texts. Raises
    ModelUnusable when the model is not found, differs from the published one, or cannot be run as the settings ask.
    """
    if settings.model != PACKAGED_PAIR:
        return await _open(settings, progress, observer)
    assert reading is not None, "a pair of models is opened with a reading"
    # A run of one model waits for a run of the other, so that both together take no more cores than one.
    cores = BoundedSemaphore(settings.worker_count())

    async def one(model: str) -> BatchingEncoder:
        return await _open(replace(settings, model=model), partial(say, model), observer, cores)

    def say(model: str, step: str) -> None:
        progress(step if model in step else f"{model}: {step}")

    opening = [asyncio.create_task(one(model)) for model in (PACKAGED_MODEL, UNIVERSAL_MODEL)]
    try:
        first, second = await asyncio.gather(*opening)
    except BaseException:
        for task in opening:
            task.cancel()
        for opened in await asyncio.gather(*opening, return_exceptions=True):
            if not isinstance(opened, BaseException):
                await opened.close()
        raise
    return PairedEncoder(first, second, reading)


async def fingerprint_of(model: str) -> str:
    """Return the fingerprint of a model's files as they are now. Raises ModelUnusable."""
    if model == PACKAGED_PAIR:
        first, second = await asyncio.gather(fingerprint_of(PACKAGED_MODEL), fingerprint_of(UNIVERSAL_MODEL))
        return paired_fingerprint(first, second)
    return (await asyncio.to_thread(find_model, model)).fingerprint


async def _open(
    settings: EncoderSettings,
    progress: Callable[[str], None],
    observer: EncoderObserver | None,
    cores: BoundedSemaphore | None = None,
) -> BatchingEncoder:
    """Return the encoder of one model. cores: those that it shares with another model."""
    source = await asyncio.to_thread(find_model, settings.model)
    runtime, reason = await _choose(settings, source, progress)
    return BatchingEncoder(
        runtime,
        fingerprint=source.fingerprint,
        reason=reason,
        max_queued_tokens=settings.max_queued_tokens,
        text_cache_size=settings.text_cache_size,
        observer=observer,
        cores=cores,
    )


async def _choose(
    settings: EncoderSettings, source: ModelSource, progress: Callable[[str], None]
) -> tuple[Runtime, str]:
    original = "numpy" if source.family == "universal" else "torch"
    if settings.runtime == "torch":
        why = "the settings ask for it" if original == "torch" else "the settings ask for no compiled model"
        return await _original(settings, source), f"{original}, because {why}"
    try:
        runtime, agreement = await _openvino(settings, source, progress)
    except CompilingFailed as obstacle:
        if settings.runtime == "openvino":
            raise ModelUnusable(f"the settings ask for openvino, but {obstacle}") from obstacle
        if source.lacks:
            raise ModelUnusable(str(obstacle)) from obstacle
        progress(f"openvino cannot be used ({obstacle}): loading the model with {original}")
        return await _original(settings, source), f"{original}, because openvino cannot be used: {obstacle}"
    why = "because the settings ask for it" if settings.runtime == "openvino" else "the fastest with true vectors here"
    return runtime, f"openvino, {why}: {agreement}"


async def _openvino(
    settings: EncoderSettings, source: ModelSource, progress: Callable[[str], None]
) -> tuple[Runtime, str]:
    missing = [name for name in ("openvino", "tokenizers") if importlib.util.find_spec(name) is None]
    if missing:
        raise CompilingFailed(f"{' and '.join(missing)} is not installed")
    from matcher.encoder.openvino_runtime import RuntimeUntrue, open_openvino

    opened = open_openvino
    if source.family == "universal":
        from matcher.encoder.universal.reference_texts import universal_reference_texts
        from matcher.encoder.universal.rows import UniversalRows

        opened = partial(open_openvino, graph_input=UniversalRows, texts=universal_reference_texts())
    folder, manifest = await obtain_artifact(source, settings.cache_dir, progress)
    streams = settings.worker_count()
    try:
        return await asyncio.to_thread(opened, folder, manifest, streams), manifest.reason
    except RuntimeUntrue as untrue:
        progress(f"the model is compiled again: {untrue}")
    folder, manifest = await obtain_artifact(source, settings.cache_dir, progress, distrusted=True)
    try:
        return await asyncio.to_thread(opened, folder, manifest, streams), manifest.reason
    except RuntimeUntrue as untrue:
        raise CompilingFailed(str(untrue)) from untrue


async def _original(settings: EncoderSettings, source: ModelSource) -> Runtime:
    """Return the runtime that is the authority on the model's vectors."""
    if source.family == "universal":
        from matcher.encoder.universal.numpy_runtime import NumpyRuntime

        return await asyncio.to_thread(NumpyRuntime, source.path, settings.worker_count())
    if source.lacks:
        raise ModelUnusable(f"{source.name} needs {source.lacks} to run with torch: {COMPILE_EXTRA}")
    from matcher.encoder.torch_runtime import TorchRuntime

    return await asyncio.to_thread(TorchRuntime, source, settings.worker_count())
