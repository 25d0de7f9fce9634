"""The arena of an attack: stores in a topology, replicas of the service on them, and a proxy before each of both."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.chaos.processes import HOST, PASSWORD, ROOT, USER, Node, Replica
from benchmarks.chaos.proxy import Proxy

SINGLE: Final = "single"
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
    doors: list[Proxy] = field(default_factory=list)
    """The proxies between the clients and the replicas."""
    pipes: list[Proxy] = field(default_factory=list)
    """The proxies between the replicas and the store; none where the store itself names its servers."""

    async def __aenter__(self) -> Arena:
        try:
            await self._start_stores()
            for number in range(self.count):
                url = await self._store_url()
                self.replicas.append(Replica(number, self.folder, self._environment(url, number), self.tree))
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

    async def _start_stores(self) -> None:
        self.stores = [Node(self.folder / "store")]
        await self.stores[0].start()

    async def _store_url(self) -> str:
        pipe = Proxy(self.stores[0].address)
        await pipe.start()
        self.pipes.append(pipe)
        return f"redis://{USER}:{PASSWORD}@{pipe.address}"

    def _environment(self, url: str, number: int) -> dict[str, str]:
        return {
            "MATCHER_DATA_DIR": str(self.folder / f"data-{number}"),
            "MATCHER_METRICS_LISTEN": f"{HOST}:0",
            "MATCHER_MODEL_CACHE": os.environ.get("MATCHER_MODEL_CACHE", str(ROOT / "build" / "models")),
            "MATCHER_LOG_FORMAT": "json",
            "MATCHER_STORE_URL": url,
            "MATCHER_SEAL_KEYS_FILE": str(self.folder / "keyring"),
            "MATCHER_ENCODER_THREADS": "1",
            "XDG_STATE_HOME": str(self.folder / "state"),
            **self.settings,
        }

    async def _end(self) -> None:
        await asyncio.gather(*(replica.kill() for replica in self.replicas))
        await asyncio.gather(*(node.kill() for node in self.stores))
        await asyncio.gather(*(proxy.close() for proxy in (*self.doors, *self.pipes)))

    def faults(self) -> list[str]:
        """Return the log lines that report a fault of the service itself."""
        return [line for replica in self.replicas for line in replica.faults()]
