"""Cache of artefacts: returns a model's artefact, and compiles it in a process of its own where the cache has none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from filelock import FileLock, Timeout

from matcher.encoder.artifact import ArtifactBroken, Manifest, artifact_key, publish_artifact, read_artifact
from matcher.encoder.model_source import ModelSource

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_LOCK_POLL_SECONDS = 0.1


COMPILE_EXTRA = "pip install 'affinity-matcher[compile]'"


class CompilingFailed(Exception):
    """There is no artefact and compiling failed, for the reason given; never leaves this package."""


async def obtain_artifact(
    source: ModelSource, cache_dir: Path, progress: Callable[[str], None], *, distrusted: bool = False
) -> tuple[Path, Manifest]:
    """Return the folder and manifest of a model's artefact; compile it where the cache has no whole one.

    `distrusted`: the cached artefact gave wrong vectors, so compile again. Raises CompilingFailed.
    """
    folder = cache_dir / artifact_key(source)
    try:
        await asyncio.to_thread(cache_dir.mkdir, parents=True, exist_ok=True)
        if not distrusted and folder.exists():
            with contextlib.suppress(ArtifactBroken):
                return folder, await asyncio.to_thread(read_artifact, folder)
        async with _locked(folder.with_name(f".{folder.name}.lock"), progress):
            # Another process may have compiled it while this one waited.
            if folder.exists() and not distrusted:
                try:
                    return folder, await asyncio.to_thread(read_artifact, folder)
                except ArtifactBroken as broken:
                    progress(f"the compiled model in the cache is not used: {broken}")
            if source.lacks:
                raise CompilingFailed(
                    f"{cache_dir} has no {source.name} that was compiled for this kind of CPU, and compiling needs "
                    f"{source.lacks}: {COMPILE_EXTRA}, or bring the folder that `matcher compile` fills elsewhere"
                )
            await _compile(source, folder, progress)
            return folder, await asyncio.to_thread(read_artifact, folder)
    except (OSError, ArtifactBroken) as error:
        raise CompilingFailed(f"the cache cannot be used ({type(error).__name__})") from error


@contextlib.asynccontextmanager
async def _locked(path: Path, progress: Callable[[str], None]) -> AsyncIterator[None]:
    """Hold a lock between processes; the death of a process releases its lock."""
    lock = FileLock(path)
    waited = False
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            if not waited:
                progress("another process is compiling the model: waiting for it")
            waited = True
            await asyncio.sleep(_LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


async def _compile(source: ModelSource, folder: Path, progress: Callable[[str], None]) -> None:
    for abandoned in folder.parent.glob(f".{folder.name}.making-*"):
        # The lock is held, so the process that made it is gone.
        shutil.rmtree(abandoned, ignore_errors=True)
    left = "a few seconds" if source.family == "universal" else "its first steps are measured to say how long"
    progress(f"compiling {source.name} for this machine, once: {left}")
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.making-", dir=folder.parent))
    try:
        await _run_compiler(source, making, progress)
        publish_artifact(making, folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


async def _run_compiler(source: ModelSource, output: Path, progress: Callable[[str], None]) -> None:
    paths = [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path), "CI": "true"}
    compiler = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "matcher.encoder.compiling_process", source.family),
        *(str(source.path), str(output), source.name, source.fingerprint),
        stdin=asyncio.subprocess.PIPE,  # kept open: the compiler ends when this process does
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    assert compiler.stdout is not None
    failed = ""
    try:
        async for line in compiler.stdout:
            with contextlib.suppress(ValueError):
                report = json.loads(line)
                failed = report.get("failed", failed)
                if "progress" in report:
                    progress(report["progress"])
        status = await compiler.wait()
    finally:
        if compiler.returncode is None:
            compiler.kill()
            await compiler.wait()
    if status:
        raise CompilingFailed(failed or f"compiling ended with status {status}")
