"""Cache of compiled models: an artefact is whole or absent, and compiled once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from matcher.encoder import artifact_cache
from matcher.encoder.artifact import ArtifactBroken, Manifest, artifact_key, digest_files, read_artifact
from matcher.encoder.artifact_cache import CompilingFailed, obtain_artifact
from matcher.encoder.model_source import ModelSource

SOURCE = ModelSource("small", Path("nowhere"), "0123456789abcdef")
SILENT: Callable[[str], None] = lambda _: None  # noqa: E731


def write_artifact(folder: Path) -> None:
    """Write an artefact as the compiler does."""
    (folder / "model.xml").write_text("<net/>", encoding="utf-8")
    (folder / "model.bin").write_bytes(bytes(1000))
    manifest = Manifest(
        model=SOURCE.name,
        fingerprint=SOURCE.fingerprint,
        precision="int8",
        reason="int8 agrees with the original to 0.9970",
        cosine=0.997,
        dimension=4,
        max_length=64,
        pad_id=0,
        pad_left=False,
        lower_case=False,
        prompt="",
        packed=True,
        pooling="mean",
        first_position=0,
        files=digest_files(folder),
    )
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


class Compiler:
    """Double of the compiling process, which takes long; counts its runs."""

    def __init__(self) -> None:
        """Begin without runs; no run fails."""
        self.runs = 0
        self.permit = asyncio.Event()
        self.permit.set()
        self.begun = asyncio.Event()
        self.fault: Exception | None = None

    async def __call__(self, source: ModelSource, output: Path, progress: Callable[[str], None]) -> None:
        """Write half an artefact, wait for permission, then write the rest or fail."""
        assert source is SOURCE
        self.runs += 1
        self.begun.set()
        (output / "model.xml").write_text("<ne", encoding="utf-8")
        progress("half way")
        await self.permit.wait()
        if self.fault is not None:
            raise self.fault
        write_artifact(output)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """Give the compiler that `obtain_artifact` runs."""
    compiler = Compiler()
    monkeypatch.setattr(artifact_cache, "_run_compiler", compiler)
    return compiler


def visible(cache: Path) -> list[str]:
    """Return the names in a cache that other processes read."""
    return sorted(path.name for path in cache.iterdir() if not path.name.startswith("."))


def half_written(cache: Path) -> list[Path]:
    """Return the folders that unfinished compiling has left."""
    return list(cache.glob(".*making*"))


async def test_a_model_is_compiled_once_and_then_read(compiler: Compiler, tmp_path: Path) -> None:
    """The first start compiles, the second reads the artefact."""
    first = await obtain_artifact(SOURCE, tmp_path / "cache", SILENT)
    second = await obtain_artifact(SOURCE, tmp_path / "cache", SILENT)
    assert first == second
    assert compiler.runs == 1
    assert visible(tmp_path / "cache") == [artifact_key(SOURCE)]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "model.bin").write_bytes(bytes(999)),
        lambda folder: (folder / "model.bin").write_bytes(bytes(999) + b"\x01"),
        lambda folder: (folder / "model.xml").unlink(),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{", encoding="utf-8"),
        lambda folder: (folder / "manifest.json").write_text("[]", encoding="utf-8"),
        lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"),
    ],
    ids=["cut off", "one bit", "file gone", "manifest gone", "manifest cut off", "manifest other", "manifest binary"],
)
async def test_a_damaged_artefact_is_compiled_again(
    compiler: Compiler, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    """Whatever the damage, it is detected, and the artefact is replaced and whole again."""
    folder, manifest = await obtain_artifact(SOURCE, tmp_path, SILENT)
    damage(folder)
    with pytest.raises(ArtifactBroken):
        read_artifact(folder)
    steps: list[str] = []
    assert await obtain_artifact(SOURCE, tmp_path, steps.append) == (folder, manifest)
    assert compiler.runs == 2
    assert steps[0].startswith("the compiled model in the cache is not used: ")
    assert read_artifact(folder) == manifest


async def test_an_artefact_that_gave_wrong_vectors_is_compiled_again(compiler: Compiler, tmp_path: Path) -> None:
    """Whole files are no proof: a caller that got wrong vectors has the model compiled again."""
    await obtain_artifact(SOURCE, tmp_path, SILENT)
    await obtain_artifact(SOURCE, tmp_path, SILENT, distrusted=True)
    assert compiler.runs == 2


async def test_two_processes_that_start_at_once_compile_once(compiler: Compiler, tmp_path: Path) -> None:
    """The second waits for the first, says so, and uses the artefact of the first."""
    compiler.permit.clear()
    first_says: list[str] = []
    second_says: list[str] = []
    first = asyncio.create_task(obtain_artifact(SOURCE, tmp_path, first_says.append))
    await compiler.begun.wait()
    second_spoke = asyncio.Event()

    def second_says_and_wakes(step: str) -> None:
        second_says.append(step)
        second_spoke.set()

    second = asyncio.create_task(obtain_artifact(SOURCE, tmp_path, second_says_and_wakes))
    await second_spoke.wait()
    assert second_says == ["another process is compiling the model: waiting for it"]
    compiler.permit.set()
    assert await first == await second
    assert compiler.runs == 1


async def test_compiling_that_fails_leaves_nothing_that_could_be_taken_for_a_model(
    compiler: Compiler, tmp_path: Path
) -> None:
    """The error has the reason, half-written files are gone, and the next start tries again."""
    compiler.fault = CompilingFailed("no memory")
    with pytest.raises(CompilingFailed, match="no memory"):
        await obtain_artifact(SOURCE, tmp_path, SILENT)
    assert visible(tmp_path) == []
    assert half_written(tmp_path) == []
    compiler.fault = None
    await obtain_artifact(SOURCE, tmp_path, SILENT)
    assert compiler.runs == 2


async def test_files_of_a_killed_compiler_are_removed_and_never_used(compiler: Compiler, tmp_path: Path) -> None:
    """A process that died half way left a folder; the next start removes it and compiles."""
    left = tmp_path / f".{artifact_key(SOURCE)}.making-dead"
    left.mkdir()
    (left / "model.xml").write_text("<ne", encoding="utf-8")
    await obtain_artifact(SOURCE, tmp_path, SILENT)
    assert compiler.runs == 1
    assert not left.exists()


async def test_a_start_that_is_stopped_half_way_lets_the_next_one_in(compiler: Compiler, tmp_path: Path) -> None:
    """Ctrl-C while compiling: the lock is free and nothing half-written is left."""
    compiler.permit.clear()
    starting = asyncio.create_task(obtain_artifact(SOURCE, tmp_path, SILENT))
    await compiler.begun.wait()
    starting.cancel()
    await asyncio.wait([starting])
    assert half_written(tmp_path) == []
    compiler.permit.set()
    await obtain_artifact(SOURCE, tmp_path, SILENT)


async def test_a_cache_that_cannot_be_written_is_reported(compiler: Compiler, tmp_path: Path) -> None:
    """A file where the folder should be: compiling is impossible, and the error says why."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(CompilingFailed, match="the cache cannot be used"):
        await obtain_artifact(SOURCE, tmp_path / "file" / "cache", SILENT)
    assert compiler.runs == 0


async def test_a_compiler_that_fails_is_reported(tmp_path: Path) -> None:
    """The real compiling process gets a folder without a model: its message is the reason."""
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CompilingFailed, match="Error"):
        await obtain_artifact(ModelSource("empty", empty, "f" * 16), tmp_path / "cache", SILENT)
    assert visible(tmp_path / "cache") == []
