"""Backups of an embedded store: whole or not at all, verified, and never over data that is in use."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from matcher.errors import BackupWrong, StoreUnavailable
from matcher.store.embedded.backup import Manifest, read_manifest, write_backup
from matcher.store.embedded.files import StoreFiles, open_lock, try_lock_exclusive
from matcher.store.embedded.restore import restore_backup
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.keys import SCHEMA
from tests.processes import ROOT

KEYS = 20_000


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder with a short path, and leave no server behind."""
    with tempfile.TemporaryDirectory(prefix="mt-") as name:
        yield Path(name)
        for path in Path(name).rglob("lock"):
            lock = open_lock(path)
            if not try_lock_exclusive(lock):
                os.kill(int(StoreFiles(path.parent).address()[1]), signal.SIGKILL)
            os.close(lock)


@asynccontextmanager
async def opened(data_dir: Path) -> AsyncIterator[tuple[EmbeddedStore, Redis]]:
    """Give the store of a directory and a client of it."""
    store = await EmbeddedStore.open(EmbeddedSettings(data_dir))
    try:
        async with Redis.from_url(store.url) as client:
            yield store, client
    finally:
        await store.close()


async def back_up(data_dir: Path, file: Path, keys: int = 3) -> Manifest:
    """Fill a store and write a backup of it."""
    async with opened(data_dir) as (store, client):
        await client.set(SCHEMA, 2)
        await client.mset({f"m:k{number}": number for number in range(keys)})
        return await asyncio.to_thread(write_backup, data_dir, store.url, file, "0.1.0")


async def restore(file: Path, data_dir: Path, *, replace: bool = False) -> None:
    """Restore a backup; the store that is started on it must answer."""

    def verify(beside: Path) -> None:
        async def answers() -> None:
            async with opened(beside) as (_, client):
                assert await client.get(SCHEMA)

        asyncio.run(answers())

    def run() -> Manifest:
        return restore_backup(file, data_dir, verify, replace=replace)

    await asyncio.to_thread(run)


def names(folder: Path) -> list[str]:
    """Name what a folder holds."""
    return sorted(path.name for path in folder.iterdir())


async def values(data_dir: Path) -> dict[bytes, Any]:
    """Read what a directory's store holds."""
    async with opened(data_dir) as (_, client):
        keys: list[Any] = sorted([key async for key in client.scan_iter(count=10_000)])
        return dict(zip(keys, await client.mget(keys), strict=True)) if keys else {}


async def test_a_backup_taken_under_writes_holds_all_that_was_acknowledged_before(folder: Path) -> None:
    """The store goes on writing meanwhile; the snapshot is of one moment: of a pair of keys it holds both or none."""
    acknowledged = 0
    async with opened(folder / "a") as (store, client):
        await client.set(SCHEMA, 2)
        await client.mset({f"m:k{number}": number for number in range(KEYS)})
        backing_up = asyncio.create_task(
            asyncio.to_thread(write_backup, folder / "a", store.url, folder / "x.bak", "0.1.0")
        )
        while not backing_up.done():
            await client.mset({f"m:left{acknowledged}": 1, f"m:right{acknowledged}": 1})
            acknowledged += 1
        manifest = await backing_up
    assert names(folder / "a" / "store") == ["appendonlydir"]
    assert acknowledged > 0
    assert (manifest.schema, manifest.version) == (2, "0.1.0")
    assert read_manifest(folder / "x.bak") == manifest
    assert (folder / "x.bak").stat().st_mode & 0o777 == 0o600
    await restore(folder / "x.bak", folder / "b")
    restored = await values(folder / "b")
    assert {f"m:k{number}".encode() for number in range(KEYS)} <= restored.keys()
    assert {key.replace(b"left", b"") for key in restored if b"left" in key} == {
        key.replace(b"right", b"") for key in restored if b"right" in key
    }
    assert await values(folder / "b") == restored


async def test_a_backup_that_cannot_be_written_leaves_the_one_before(folder: Path) -> None:
    """The file is replaced at the end; nothing is left beside it."""
    before = await back_up(folder / "a", folder / "x.bak")
    async with opened(folder / "a") as (store, _):
        # A folder under the snapshot's name: the server cannot put its snapshot there.
        (folder / "a" / "store" / "dump.rdb").mkdir()
        with pytest.raises(StoreUnavailable, match="could not write a snapshot"):
            await asyncio.to_thread(write_backup, folder / "a", store.url, folder / "x.bak", "0.1.0")
    assert read_manifest(folder / "x.bak") == before
    assert names(folder) == ["a", "x.bak"]


async def test_a_backup_that_cannot_be_moved_to_its_place_leaves_nothing(folder: Path) -> None:
    """A folder has the name: no half a backup stays beside it, and no snapshot in the store's directory."""
    (folder / "x.bak").mkdir()
    with pytest.raises(OSError, match="directory"):
        await back_up(folder / "a", folder / "x.bak")
    assert names(folder) == ["a", "x.bak"]
    assert names(folder / "a" / "store") == ["appendonlydir"]


async def test_backups_are_taken_one_at_a_time_into_a_folder_that_exists(folder: Path) -> None:
    """Of several that begin together each is whole or refused with its reason; a missing folder is named at once."""
    async with opened(folder / "a") as (store, client):
        await client.set(SCHEMA, 2)
        files = [folder / f"{number}.bak" for number in range(4)]
        ends = await asyncio.gather(
            *(asyncio.to_thread(write_backup, folder / "a", store.url, file, "0.1.0") for file in files),
            return_exceptions=True,
        )
        for file, end in zip(files, ends, strict=True):
            if isinstance(end, Manifest):
                assert read_manifest(file) == end
            else:
                assert isinstance(end, BackupWrong)
                assert "another backup is under way" in str(end)
        assert any(isinstance(end, Manifest) for end in ends)
        with pytest.raises(BackupWrong, match="nowhere: there is no such folder"):
            write_backup(folder / "a", store.url, folder / "nowhere" / "x.bak", "0.1.0")


async def test_data_is_replaced_only_when_asked_for(folder: Path) -> None:
    """Without `replace` the data that is there stays; with it nothing of the old data is left on the disk."""
    await back_up(folder / "a", folder / "x.bak")
    async with opened(folder / "b") as (_, client):
        await client.mset({"m:mine": 1, SCHEMA: 2})
    with pytest.raises(BackupWrong, match="has data already; --force replaces it"):
        await restore(folder / "x.bak", folder / "b")
    assert (await values(folder / "b"))[b"m:mine"] == b"1"
    await restore(folder / "x.bak", folder / "b", replace=True)
    assert names(folder / "b") == ["lock", "store", "store.log", "users"]
    assert names(folder / "b" / "store" / "appendonlydir") == ["appendonly.aof.2.base.rdb", "appendonly.aof.manifest"]
    assert await values(folder / "b") == {b"m:k0": b"0", b"m:k1": b"1", b"m:k2": b"2", SCHEMA.encode(): b"2"}
    # And a second time, over what the restored store has written since.
    await restore(folder / "x.bak", folder / "b", replace=True)
    assert len(await values(folder / "b")) == 4


async def test_a_directory_in_use_is_refused(folder: Path) -> None:
    """Also with `replace`: a service that runs on the directory would write on into the restored data."""
    await back_up(folder / "a", folder / "x.bak")
    async with opened(folder / "b") as (_, client):
        await client.set("m:mine", 1)
        with pytest.raises(BackupWrong, match="a service uses it: stop it first"):
            await restore(folder / "x.bak", folder / "b", replace=True)
        assert await client.get("m:mine") == b"1"


async def test_a_store_that_a_killed_service_left_behind_is_stopped(folder: Path) -> None:
    """Nobody uses it: it would keep the directory locked for ever."""
    await back_up(folder / "a", folder / "x.bak")
    code = (
        "import asyncio, os, signal, sys\nfrom pathlib import Path\n"
        "from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore\n"
        "asyncio.run(EmbeddedStore.open(EmbeddedSettings(Path(sys.argv[1]))))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", code, str(folder / "b")]
    left = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=False)
    assert left.returncode == -signal.SIGKILL
    await restore(folder / "x.bak", folder / "b", replace=True)
    assert len(await values(folder / "b")) == 4


@pytest.mark.parametrize("damage", ["flipped", "cut off", "no backup", "empty", "later format", "later schema"])
async def test_a_damaged_backup_changes_nothing(folder: Path, damage: str) -> None:
    """The error names the file and what is wrong with it; the data that was there is served as before."""
    manifest = await back_up(folder / "a", folder / "x.bak", KEYS)
    file = folder / "x.bak"
    whole = file.read_bytes()
    why = "it is no backup, or it is cut off"
    match damage:
        case "flipped":
            at = len(whole) // 2
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            why = "does not have the checksum"
        case "cut off":
            file.write_bytes(whole[: len(whole) // 2])
            why = "cut off|checksum"
        case "no backup":
            file.write_text("not a tar at all" * 100)
        case "empty":
            file.write_bytes(b"")
        case "later format":
            described_as(file, msgspec.structs.replace(manifest, format=2))
            why = "it has format 2; this version reads 1"
        case _:
            described_as(file, msgspec.structs.replace(manifest, schema=4))
            why = "its data has schema 4; this version reads 1 to 3"
    async with opened(folder / "b") as (_, client):
        await client.set("m:mine", 1)
    with pytest.raises(BackupWrong, match=why):
        await restore(file, folder / "b", replace=True)
    assert await values(folder / "b") == {b"m:mine": b"1"}
    assert not (folder / "b" / "restoring").exists()


def described_as(file: Path, manifest: Manifest) -> None:
    """Replace a backup's manifest by another one of the same length."""
    with tarfile.open(file) as archive:
        member = archive.getmember("manifest.json")
    written = msgspec.json.encode(manifest)
    assert len(written) == member.size
    with file.open("r+b") as opened_file:
        opened_file.seek(member.offset_data)
        opened_file.write(written)


async def test_a_snapshot_that_no_store_can_load_changes_nothing(folder: Path) -> None:
    """Its checksum is right, yet a store that is started on it ends: the old data stays."""
    await back_up(folder / "a", folder / "x.bak")
    async with opened(folder / "b") as (_, client):
        await client.set("m:mine", 1)

    def refuse(beside: Path) -> None:
        raise StoreUnavailable(str(beside), "its server ended at once")

    with pytest.raises(StoreUnavailable):
        restore_backup(folder / "x.bak", folder / "b", refuse, replace=True)
    assert await values(folder / "b") == {b"m:mine": b"1"}


async def test_a_restore_that_is_killed_leaves_the_old_data_and_can_be_repeated(folder: Path) -> None:
    """Kill -9 while the backup is verified: the store that verifies is ended by the next restore."""
    await back_up(folder / "a", folder / "x.bak")
    async with opened(folder / "b") as (_, client):
        await client.set("m:mine", 1)
    code = (
        "import asyncio, os, signal, sys\nfrom pathlib import Path\n"
        "from matcher.store.embedded.restore import restore_backup\n"
        "from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore\n"
        "def verify(beside):\n"
        "    asyncio.run(EmbeddedStore.open(EmbeddedSettings(beside)))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "restore_backup(Path(sys.argv[1]), Path(sys.argv[2]), verify, replace=True)\n"
    )
    command = [sys.executable, "-c", code, str(folder / "x.bak"), str(folder / "b")]
    killed = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert await values(folder / "b") == {b"m:mine": b"1"}
    await restore(folder / "x.bak", folder / "b", replace=True)
    assert len(await values(folder / "b")) == 4
