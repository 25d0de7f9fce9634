"""Real servers for the tests: a cluster, and a primary with a replica that a Sentinel watches."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redis import exceptions
from redis.asyncio import Redis
from redis.crc import key_slot

from matcher.store.embedded.process import find_binary
from matcher.store.keys import Keys
from tests.store.access import PASSWORD, PRODUCT, make_users

HOST: Final = "127.0.0.1"
HASH_SLOTS: Final = 16384
SERVICE: Final = "desk"
NODE_TIMEOUT_MS: Final = 1000
WAIT_SECONDS: Final = 30.0


def free_port() -> int:
    """Return a port that no program listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@dataclass
class Node:
    """A Valkey server on a port of its own, in a folder of its own."""

    folder: Path
    options: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None
    sentinel: bool = False

    def admin(self) -> Redis:
        """Return a client that may do anything."""
        return Redis(host=HOST, port=self.port)

    async def ask(self, *command: Any) -> Any:
        """Run one command as a user who may do anything."""
        async with self.admin() as admin:
            return await admin.execute_command(*command)  # type: ignore[no-untyped-call]

    async def start(self) -> None:
        """Start the server on the data in its folder, and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        words: list[str] = []
        if self.sentinel:
            conf = self.folder / "sentinel.conf"
            conf.write_text("".join(f"{name} {value}\n" for name, value in self.options.items()))
            words = [str(conf), "--sentinel"]
            options = {}
        else:
            options = {"appendonly": "yes", "appendfsync": "everysec", "save": "", **self.options}
        options |= {"port": str(self.port), "bind": HOST, "dir": str(self.folder), "repl-diskless-sync-delay": "0"}
        if self.sentinel:
            options.pop("repl-diskless-sync-delay")
        words += [word for name, value in options.items() for word in (f"--{name}", value)]
        self.process = await asyncio.create_subprocess_exec(
            str(find_binary(None, str(self.folder))),
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        await until(self.answers)
        if not self.sentinel:
            async with self.admin() as admin:
                await make_users(admin)

    async def answers(self) -> bool:
        """Return whether the server answers."""
        assert self.process is not None
        assert self.process.returncode is None, "the server ended at its start"
        try:
            return bool(await self.ask("PING"))
        except (exceptions.ConnectionError, exceptions.BusyLoadingError):
            return False

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def kill(self) -> None:
        """Kill the server, even if it is stopped by SIGSTOP."""
        if self.process is not None and self.process.returncode is None:
            self.send(signal.SIGKILL)
            await self.process.wait()

    async def role(self) -> str:
        """Return the server's role: master or slave."""
        return str((await self.ask("ROLE"))[0].decode())


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll until a condition is true."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await condition():  # noqa: ASYNC110  # a server sends no event for it
            await asyncio.sleep(0.01)


@dataclass
class Cluster:
    """Three primaries that share the hash slots, and a replica of the first primary."""

    primaries: Sequence[Node]
    replica: Node

    @property
    def url(self) -> str:
        """Return the URL for the service's user, who may use m:* only. It names two servers: one would be enough."""
        return f"redis+cluster://{PRODUCT}:{PASSWORD}@{HOST}:{self.primaries[2].port},{HOST}:{self.primaries[1].port}"

    @property
    def nodes(self) -> list[Node]:
        """Return every server."""
        return [*self.primaries, self.replica]

    def shard_of(self, site: str) -> int:
        """Return the number of the primary that had a site's hash slot at the start."""
        return key_slot(Keys(site).due.encode()) * len(self.primaries) // HASH_SLOTS

    def site_on(self, shard: int, name: str) -> str:
        """Return the id of a site whose keys lie on a shard."""
        return next(site for n in range(1000) if self.shard_of(site := f"{name}{n}") == shard)

    async def keys_on(self, node: Node) -> set[str]:
        """Return every key of a server."""
        async with node.admin() as admin:
            return {key.decode() async for key in admin.scan_iter(count=1000)}


@asynccontextmanager
async def running(nodes: Sequence[Node]) -> AsyncIterator[None]:
    """Start servers; kill them at the end."""
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        yield
    finally:
        await asyncio.gather(*(node.kill() for node in nodes))


@asynccontextmanager
async def cluster_in(folder: Path) -> AsyncIterator[Cluster]:
    """Run a cluster whose other shards go on when one is down."""
    nodes = [
        Node(
            folder / f"n{number}",
            {
                "cluster-enabled": "yes",
                "cluster-port": str(free_port()),
                "cluster-node-timeout": str(NODE_TIMEOUT_MS),
                "cluster-require-full-coverage": "no",
            },
        )
        for number in range(4)
    ]
    cluster = Cluster(nodes[:3], nodes[3])
    async with running(nodes):
        bounds = [-(-HASH_SLOTS * number // 3) for number in range(4)]
        for number, node in enumerate(cluster.primaries):
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await node.ask("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        for node in nodes[1:]:
            await nodes[0].ask("CLUSTER", "MEET", HOST, node.port, node.options["cluster-port"])

        async def all_known() -> bool:
            infos = [await node.ask("CLUSTER", "INFO") for node in nodes]
            return all(b"cluster_known_nodes:4" in info and b"cluster_slots_ok:16384" in info for info in infos)

        await until(all_known)
        await cluster.replica.ask("CLUSTER", "REPLICATE", (await nodes[0].ask("CLUSTER", "MYID")).decode())

        async def whole() -> bool:
            infos = [await node.ask("CLUSTER", "INFO") for node in nodes]
            linked = (await cluster.replica.ask("INFO", "replication")).get("master_link_status") == "up"
            return linked and all(b"cluster_state:ok" in info for info in infos)

        await until(whole)
        yield cluster


@dataclass
class Watched:
    """A primary, its replica, and the Sentinel that promotes it."""

    primary: Node
    replica: Node
    sentinel: Node

    @property
    def url(self) -> str:
        """Return the URL for the service's user; the first Sentinel in it does not exist."""
        return f"redis+sentinel://{PRODUCT}:{PASSWORD}@{HOST}:{free_port()},{HOST}:{self.sentinel.port}/{SERVICE}"

    async def replicate(self) -> None:
        """Wait until the replica has every write that the primary has now."""
        written = (await self.primary.ask("INFO", "replication"))["master_repl_offset"]

        async def replicated() -> bool:
            return bool((await self.replica.ask("INFO", "replication"))["master_repl_offset"] >= written)

        await until(replicated)

    async def cut_off_replica(self) -> None:
        """Stop the replica and drop its link: only the primary has the writes that it acknowledges from now on."""
        self.replica.send(signal.SIGSTOP)
        await self.primary.ask("CLIENT", "KILL", "TYPE", "replica")


@asynccontextmanager
async def watched_in(folder: Path) -> AsyncIterator[Watched]:
    """Run a primary with a replica and a Sentinel that replaces the primary after 0.5 s of silence."""
    primary = Node(folder / "one")
    replica = Node(folder / "two", {"replicaof": f"{HOST} {primary.port}"})
    async with running([primary, replica]):
        sentinel = Node(
            folder / "sentinel",
            {
                f"sentinel monitor {SERVICE}": f"{HOST} {primary.port} 1",
                f"sentinel down-after-milliseconds {SERVICE}": "500",
                f"sentinel failover-timeout {SERVICE}": "5000",
            },
            sentinel=True,
        )
        async with running([sentinel]):

            async def linked() -> bool:
                if (await replica.ask("INFO", "replication"))["master_link_status"] != "up":
                    return False
                async with sentinel.admin() as admin:
                    masters: Any = await admin.sentinel_masters()
                return bool(masters[SERVICE]["num-slaves"] == 1)

            await until(linked)
            yield Watched(primary, replica, sentinel)
