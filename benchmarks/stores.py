"""Processes for the benchmarks: stores with rosters, and servers on them."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from benchmarks.machine import ServerClock
from benchmarks.material import Roster
from benchmarks.sizes import ROOT
from matcher.errors import PoolExists
from matcher.model import DEFAULT_POOL, DEFAULT_SITE, PoolPolicy
from matcher.model.lifecycle import AgentStatus
from matcher.store.embedded.process import find_binary
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.models import KnownModel, ModelStore
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import Lifetimes, ReservationStore
from matcher.store.roster import MUST_NOT_EXIST, RosterStore
from matcher.store.sites import SiteStore

EVENTS_KEPT: Final = 100_000
AT_ONCE: Final = 64
START_SECONDS: Final = 300.0
STOP_SECONDS: Final = 30.0
CHECKS: Final = 500
LIFETIMES: Final = Lifetimes(86_400_000, 60_000, 86_400_000, 86_400_000, EVENTS_KEPT)


async def all_of(work: Sequence[Awaitable[Any]]) -> None:
    """Await many awaitables, `AT_ONCE` at a time."""
    remaining = iter(work)

    async def worker() -> None:
        for awaitable in remaining:
            await awaitable

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def fill_site(
    connection: StoreClient, site: str, roster: Roster, *, online: int, model: str = "", with_vectors: bool = True
) -> None:
    """Create a site with a roster; the first `online` agents are free, the others offline."""
    store, sites = RosterStore(connection, EVENTS_KEPT), SiteStore(connection, EVENTS_KEPT)
    await sites.found(site, "benchmarks", listed=False)
    with suppress(PoolExists):
        await store.put_pool(site, DEFAULT_POOL, PoolPolicy(), MUST_NOT_EXIST)
    await sites.put_on_list(site)
    await sites.found(site, "benchmarks", listed=True)
    await all_of(
        [
            store.put_agent(
                site,
                roster.ids[number],
                roster.profile(number),
                AgentStatus.ONLINE if number < online else AgentStatus.OFFLINE,
                model=model,
                vectors=roster.vectors[number] if with_vectors else None,
                expected=MUST_NOT_EXIST,
                pools_before=(),
            )
            for number in range(len(roster))
        ]
    )


@asynccontextmanager
async def plain_store(binary: Path | None = None, **options: str) -> AsyncIterator[str]:
    """Run a Redis or Valkey (None: the service's) on a unix socket with append-only everysec, and yield its URL."""
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        socket = Path(folder) / "s"
        chosen = {
            "port": "0", "unixsocket": str(socket), "dir": folder, "appendonly": "yes", "appendfsync": "everysec",
            "save": "", **options,
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            str(binary or find_binary(None, folder)),
            *(word for name, value in chosen.items() for word in (f"--{name}", value)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            async with Redis(unix_socket_path=str(socket)) as redis:
                await redis.ping()
            yield f"unix://{socket}"
        finally:
            process.kill()
            await process.wait()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[StoreClient]:
    """Connect to a store as the service does, and load the verbs."""
    connection = StoreClient(url)
    try:
        await connection.start()
        yield connection
    finally:
        await connection.close()


def routing(connection: StoreClient) -> ReservationStore:
    """Return the reservation store of a connection."""
    return ReservationStore(connection, LIFETIMES)


@dataclass(frozen=True, slots=True)
class Service:
    """A running `python server.py` and its store."""

    target: str
    pid: int
    store_url: str
    store_pid: int
    log: Path
    clock: ServerClock
    data_dir: Path

    def settings_beside(self) -> dict[str, str]:
        """Return the settings of another process on the embedded store of this one, whose keyring lies beside it."""
        return {"MATCHER_STORE_URL": self.store_url, "MATCHER_SEAL_KEYS_FILE": f"{self.data_dir}.keys"}

    def metrics_addresses(self) -> list[str]:
        """Return the address of /metrics of each worker."""
        return re.findall(r'"address": "([^"]+)", "event": "metrics"', self.log.read_text("utf-8"))


@asynccontextmanager
async def service(data_dir: Path, settings: Mapping[str, str]) -> AsyncIterator[Service]:
    """Run the service on the embedded store of a data directory, which may hold a roster already."""
    store = await EmbeddedStore.open(EmbeddedSettings(data_dir))
    try:
        async with Redis.from_url(store.url) as redis:
            store_pid = int((await redis.info("server"))["process_id"])
        log = data_dir / "server.log"
        process, target = await start_server(data_dir, log, settings)
        try:
            clock = await server_clock(process.pid, target)
            yield Service(target, process.pid, store.url, store_pid, log, clock, data_dir)
        finally:
            await end_server(process)
    finally:
        await store.close()


async def server_clock(pid: int, target: str) -> ServerClock:
    """Return the clock of a server that has just started, after the health checks that identify its encoder threads."""
    clock = ServerClock(pid)
    await health_checks(target, CHECKS)
    clock.checked()
    return clock


async def end_server(process: asyncio.subprocess.Process) -> None:
    """Stop a server, and kill it if it does not end in time."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()


async def start_server(
    data_dir: Path, log: Path, settings: Mapping[str, str], *, tree: Path = ROOT, python: Path = Path(sys.executable)
) -> tuple[asyncio.subprocess.Process, str]:
    """Start a tree's `server.py`, and return its process and its address once it serves.

    Raises RuntimeError where the server does not start.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATCHER_")}
    environment = {
        **inherited,
        "MATCHER_DATA_DIR": str(data_dir),
        "MATCHER_LISTEN": "127.0.0.1:0",
        "MATCHER_METRICS_LISTEN": "127.0.0.1:0",
        "MATCHER_MODEL_CACHE": str(ROOT / "build" / "models"),
        "MATCHER_LOG_FORMAT": "json",
        **settings,
    }
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(str(python), str(tree / "server.py")),
            cwd=tree,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
    assert process.stdout is not None
    async with asyncio.timeout(START_SECONDS):
        async for line in process.stdout:
            if line.startswith(b"serving on "):
                return process, line.decode().removeprefix("serving on ").strip()
    await process.communicate()
    said = await asyncio.to_thread(log.read_text, "utf-8")
    raise RuntimeError(f"the server did not start: {said[-1_000:]}")


async def metric(address: str, name: str, **labels: str) -> float:
    """Return a metric of the /metrics page at an address, summed over the labels that are not given."""

    def read() -> str:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=STOP_SECONDS) as page:
            return str(page.read().decode())

    return sum(
        sample.value
        for family in text_string_to_metric_families(await asyncio.to_thread(read))
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def health_checks(target: str, count: int) -> None:
    """Make many health checks, calls that use neither the encoder nor the store."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        await all_of([stub.Check(health_pb2.HealthCheckRequest(), timeout=STOP_SECONDS) for _ in range(count)])


@asynccontextmanager
async def filled_service(
    roster: Roster, *, model: str, online: int, settings: Mapping[str, str]
) -> AsyncIterator[Service]:
    """Run the service on a data directory of its own, with a roster in the default site."""
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        data_dir = Path(folder) / "data"  # the keyring lies beside it
        store = await EmbeddedStore.open(EmbeddedSettings(data_dir))
        try:
            async with connected(store.url) as connection:
                await ModelStore(connection).add(KnownModel(model, ""))
                await fill_site(connection, DEFAULT_SITE, roster, online=online, model=model)
            async with service(data_dir, settings) as running:
                yield running
        finally:
            await store.close()
