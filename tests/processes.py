"""Servers and stores as processes of their own, as an operator runs them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from matcher.client import MatcherClient
from matcher.store.embedded.files import StoreFiles, open_lock, try_lock_exclusive
from matcher.store.embedded.process import find_binary
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.keys import PERMANENT

ROOT: Final = Path(__file__).resolve().parent.parent
SERVING: Final = "serving on "
START_SECONDS: Final = 300.0
"""Includes the compilation of the model at the very first start."""
STOP_SECONDS: Final = 30.0
FAULT: Final = re.compile(r"INTERNAL_FAULT|Traceback \(most recent call last\)|\"traceback\"|never awaited")


class ServerDidNotStart(Exception):
    """The server ended before it served."""

    def __init__(self, code: int, output: str) -> None:
        super().__init__(f"the server ended with {code} before it served: {output}")
        self.code = code
        self.output = output


@dataclass
class Server:
    """A running `python server.py`."""

    target: str
    process: asyncio.subprocess.Process
    log_file: Path
    data_dir: Path
    declared: list[str] = field(default_factory=list)

    def log(self) -> str:
        """Return what the server has written to stderr."""
        return self.log_file.read_text("utf-8", errors="replace")

    @property
    def metrics(self) -> str:
        """Return the address of /metrics."""
        found = re.search(r'"address": "([^"]+)", "event": "metrics"', self.log())
        assert found is not None, "the server serves no metrics"
        return found[1]

    def client(self, site: str = "default", *, channels: int = 1) -> MatcherClient:
        """Return a client of this server that is not opened yet."""
        return MatcherClient(self.target, site=site, channels=channels)

    async def site(self) -> str:
        """Create a site of its own for a test; return its id."""
        site = f"t{uuid.uuid4().hex[:12]}"
        async with self.client() as client:
            await client.create_site(site)
        return site

    def declare(self, fragment: str) -> None:
        """Allow this server to log faults in lines that contain `fragment`."""
        self.declared.append(fragment)

    def faults(self) -> list[str]:
        """Return the logged lines of faults that no test declared."""
        return [
            line
            for line in self.log().splitlines()
            if FAULT.search(line) and not any(fragment in line for fragment in self.declared)
        ]

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait until the server has ended; return its exit code."""
        async with asyncio.timeout(STOP_SECONDS):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode

    async def stop(self) -> int:
        """Stop the server gracefully; return its exit code."""
        if self.process.returncode is None:
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)
        try:
            return await self.ended()
        except TimeoutError:
            await self.kill()
            raise

    async def kill(self) -> None:
        """Kill the server as a crash would."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()

    async def clear(self) -> None:
        """Kill the server, and end the embedded store that it leaves behind."""
        await self.kill()
        files = StoreFiles(self.data_dir)
        if not files.lock.exists():
            return
        lock = open_lock(files.lock)
        alone = try_lock_exclusive(lock)
        os.close(lock)
        if not alone:
            left = await EmbeddedStore.open(EmbeddedSettings(self.data_dir))
            await left.close()


def model_cache() -> Path:
    """Return the folder of compiled models that all tests share."""
    return Path(os.environ.get("MATCHER_TEST_MODEL_CACHE", ROOT / "build" / "models"))


def server_environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a server that takes free ports and keeps its data in `folder`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATCHER_")}
    return {
        **inherited,
        "MATCHER_DATA_DIR": str(folder / "data"),
        "MATCHER_LISTEN": "127.0.0.1:0",
        "MATCHER_METRICS_LISTEN": "127.0.0.1:0",
        "MATCHER_MODEL_CACHE": str(model_cache()),
        "MATCHER_LOG_FORMAT": "json",
        # Every test has a site of its own at one server: each is named in the metrics.
        "MATCHER_METRIC_SITES": "1000",
        "XDG_STATE_HOME": str(folder / "state"),
        **settings,
    }


async def start_server(folder: Path, settings: Mapping[str, str], tree: Path = ROOT) -> Server:
    """Start the server of a tree and wait until it serves. Raises ServerDidNotStart."""
    log_file = folder / f"server-{uuid.uuid4().hex[:6]}.log"
    with log_file.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "server.py"),
            cwd=tree,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=server_environment(folder, settings),
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            async for line in process.stdout:
                if line.startswith(SERVING.encode()):
                    target = line.decode().removeprefix(SERVING).strip()
                    return Server(target, process, log_file, folder / "data")
    except BaseException:
        process.kill()
        await process.communicate()
        raise
    await process.communicate()
    raise ServerDidNotStart(process.returncode or 0, log_file.read_text("utf-8", errors="replace"))


@dataclass
class Store:
    """A Valkey server that answers on a unix socket and can be frozen, killed and started again."""

    folder: Path
    process: asyncio.subprocess.Process | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        """Return where it listens."""
        return self.folder / "s"

    @property
    def url(self) -> str:
        """Return its address for MATCHER_STORE_URL."""
        return f"unix://{self.socket}"

    def client(self) -> Redis:
        """Return a plain Redis client of it."""
        return Redis(unix_socket_path=str(self.socket))

    async def start(self) -> None:
        """Start it on its data, and wait until it answers."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            **self.options,
        }
        self.process = await asyncio.create_subprocess_exec(
            str(find_binary(None, str(self.folder))),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        # Only newer versions of redis-py try again by themselves.
        async with asyncio.timeout(START_SECONDS), self.client() as redis:
            while True:
                with contextlib.suppress(RedisConnectionError):
                    await redis.ping()
                    return
                await asyncio.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it with a signal."""
        if self.process is None:
            return
        if self.process.returncode is None:
            self.send(number)
            self.send(signal.SIGCONT)
        async with asyncio.timeout(STOP_SECONDS):
            await self.process.wait()
        self.process = None


async def keys_without_lifetime(url: str) -> list[str]:
    """Return the keys of a store that have no lifetime and are not listed as permanent."""
    permanent = re.compile("|".join(f"(?:{pattern})" for pattern in PERMANENT))
    found: list[str] = []
    async with Redis.from_url(url) as redis:
        async for key in redis.scan_iter(count=1000):
            name = key.decode()
            if permanent.fullmatch(name) is None and await redis.ttl(key) == -1:
                found.append(name)
    return found


async def metric_page(server: Server) -> str:
    """Return the text of a server's /metrics."""

    def read() -> str:
        with urllib.request.urlopen(f"http://{server.metrics}/metrics", timeout=STOP_SECONDS) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(read)


async def metric(server: Server, name: str, **labels: str) -> float:
    """Return a metric of a server, summed over the labels that are not given; 0 for none."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(await metric_page(server))
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def health(target: str, service: str = "") -> bool:
    """Return whether a server reports that it serves; service: only this one, "": all of it."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=STOP_SECONDS)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
