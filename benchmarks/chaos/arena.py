"""The arena of an attack: stores in a topology, replicas of the service on them, and a proxy before each of both."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.chaos.processes import HOST, PASSWORD, ROOT, USER, Node, Replica, free_port, until
from benchmarks.chaos.proxy import Proxy

SINGLE: Final = "single"
SENTINEL: Final = "sentinel"
CLUSTER: Final = "cluster"
TOPOLOGIES: Final = (SINGLE, SENTINEL, CLUSTER)
SERVICE: Final = "desk"
HASH_SLOTS: Final = 16384
REPLICAS: Final = 3


@dataclass
class Arena:
    """Everything that runs; `async with` starts and ends it."""

    folder: Path
    topology: str = SINGLE
    count: int = REPLICAS
    tree: Path = ROOT
    settings: Mapping[str, str] = field(default_factory=dict)
    stores: list[Node] = field(default_factory=list)
    replicas: list[Replica] = field(default_factory=list)
    sentinels: list[Node] = field(default_factory=list)
    replicated: list[Node] = field(default_factory=list)
    """The servers of a shard that has a replica."""
    doors: list[Proxy] = field(default_factory=list)
    """The proxies between the clients and the replicas."""
    pipes: list[Proxy] = field(default_factory=list)
    """The proxies between the replicas and the store; none where the store itself names its servers."""
    key: str = ""
    """The access key of the clients."""

    @property
    def ledger(self) -> Path:
        """Return the file of the ledger."""
        return self.folder / "ledger.sqlite"

    async def __aenter__(self) -> Arena:
        try:
            await self._start_stores()
            for number in range(self.count):
                url = await self._store_url()
                self.replicas.append(Replica(number, self.folder, self._environment(url, number), self.tree_of(number)))
            # Before any replica runs: a service that hears of no later key must come as far as the attack.
            self.key = await self.replicas[0].first_key()
            # Started before the others, because the first replica may have to compile the model.
            await self.replicas[0].start()
            await asyncio.gather(*(replica.start() for replica in self.replicas[1:]))
            for replica in self.replicas:
                door = Proxy(replica.target)
                await door.start()
                self.doors.append(door)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(replica.stop() for replica in self.replicas))
        await self._end()

    def tree_of(self, _number: int) -> Path:
        """Return the checkout whose service a replica runs."""
        return self.tree

    async def _start_stores(self) -> None:
        match self.topology:
            case "sentinel":
                await self._start_watched()
            case "cluster":
                await self._start_cluster()
            case _:
                self.stores = [Node(self.folder / "store")]
                await self.stores[0].start()

    async def _start_watched(self) -> None:
        """Start a primary, its replica, and a Sentinel that replaces the primary after 0.5 s of silence."""
        primary = Node(self.folder / "one", {"min-replicas-max-lag": "2"})
        replica = Node(self.folder / "two", {"replicaof": f"{HOST} {primary.port}"})
        self.stores = self.replicated = [primary, replica]
        await asyncio.gather(primary.start(), replica.start())
        sentinel = Node(
            self.folder / "sentinel",
            {
                f"sentinel monitor {SERVICE}": f"{HOST} {primary.port} 1",
                f"sentinel down-after-milliseconds {SERVICE}": "500",
                f"sentinel failover-timeout {SERVICE}": "5000",
            },
            sentinel=True,
        )
        self.sentinels = [sentinel]
        await sentinel.start()

        async def linked() -> bool:
            found = await sentinel.ask("SENTINEL", "REPLICAS", SERVICE)
            state = await replica.ask("INFO", "replication")
            return bool(found) and state.get("master_link_status") == "up"

        await until(linked)

    async def _start_cluster(self) -> None:
        """Start three primaries and a replica of the first; a shard that is down does not stop the others."""
        nodes = [
            Node(
                self.folder / f"n{number}",
                {
                    "cluster-enabled": "yes", "cluster-port": str(free_port()), "cluster-node-timeout": "1000",
                    "cluster-require-full-coverage": "no",
                },
            )
            for number in range(4)
        ]  # fmt: skip
        self.stores, self.replicated = nodes, [nodes[0], nodes[3]]
        await asyncio.gather(*(node.start() for node in nodes))
        bounds = [-(-HASH_SLOTS * number // 3) for number in range(4)]
        for number, node in enumerate(nodes[:3]):
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await node.ask("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        for node in nodes[1:]:
            await nodes[0].ask("CLUSTER", "MEET", HOST, node.port, node.options["cluster-port"])

        async def known() -> bool:
            infos = [await node.ask("CLUSTER", "INFO") for node in nodes]
            return all(b"cluster_known_nodes:4" in info and b"cluster_slots_ok:16384" in info for info in infos)

        await until(known)
        await nodes[3].ask("CLUSTER", "REPLICATE", (await nodes[0].ask("CLUSTER", "MYID")).decode())

        async def whole() -> bool:
            infos = [await node.ask("CLUSTER", "INFO") for node in nodes]
            linked = (await nodes[3].ask("INFO", "replication")).get("master_link_status") == "up"
            return linked and all(b"cluster_state:ok" in info for info in infos)

        await until(whole)

    async def _store_url(self) -> str:
        login = f"{USER}:{PASSWORD}@"
        if self.topology == SENTINEL:
            return f"redis+sentinel://{login}{self.sentinels[0].address}/{SERVICE}"
        if self.topology == CLUSTER:
            return f"redis+cluster://{login}{self.stores[1].address},{self.stores[2].address}"
        pipe = Proxy(self.stores[0].address)
        await pipe.start()
        self.pipes.append(pipe)
        return f"redis://{login}{pipe.address}"

    def _environment(self, url: str, number: int) -> dict[str, str]:
        return {
            "MATCHER_DATA_DIR": str(self.folder / f"data-{number}"),
            "MATCHER_METRICS_LISTEN": f"{HOST}:0",
            "MATCHER_MODEL_CACHE": os.environ.get("MATCHER_MODEL_CACHE", str(ROOT / "build" / "models")),
            "MATCHER_LOG_FORMAT": "json",
            "MATCHER_STORE_URL": url,
            "MATCHER_LEDGER_URL": f"sqlite:///{self.ledger}",
            "MATCHER_AUTH": "keys",
            "MATCHER_SEAL_KEYS_FILE": str(self.folder / "keyring"),
            "MATCHER_ENCODER_THREADS": "1",
            "XDG_STATE_HOME": str(self.folder / "state"),
            **self.settings,
        }

    async def _end(self) -> None:
        await asyncio.gather(*(replica.kill() for replica in self.replicas))
        await asyncio.gather(*(node.kill() for node in (*self.stores, *self.sentinels)))
        await asyncio.gather(*(proxy.close() for proxy in (*self.doors, *self.pipes)))

    def faults(self) -> list[str]:
        """Return the log lines that report a fault of the service itself."""
        return [line for replica in self.replicas for line in replica.faults()]
