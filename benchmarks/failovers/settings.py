"""The ways to run a store that are tried: how each is started, what fails in it, and how it is restored."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from redis.crc import key_slot
from redis.exceptions import RedisError

from benchmarks.chaos.arena import CLUSTER, HASH_SLOTS, SENTINEL, SERVICE, Arena
from benchmarks.chaos.processes import HOST, Node, until
from benchmarks.chaos.proxy import Proxy
from benchmarks.failovers import power
from matcher.store.embedded.files import StoreFiles

EMBEDDED: Final = "embedded"
PAIR: Final = "pair"
CUT_OFF_SECONDS: Final = 4.0
"""How long a primary is cut off from its replicas before it dies: more than min-replicas-max-lag."""
MAX_LAG: Final = "2"
"""min-replicas-max-lag, in seconds."""
HEALED_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Setting:
    """A way to run a store, and what fails in it.

    nodes: servers of a pair or a single store. options: of each server. power_cut: what was not synced is gone.
    cut_off: the link to the replicas is cut `CUT_OFF_SECONDS` before the primary dies. services: processes of the
    service; on a power cut of the embedded store the service dies with its machine.
    """

    name: str
    topology: str
    promised: str
    nodes: int = 1
    options: Mapping[str, str] = field(default_factory=dict)
    power_cut: bool = False
    cut_off: bool = False
    services: int = 2


MIN_REPLICAS: Final = {"min-replicas-to-write": "1", "min-replicas-max-lag": MAX_LAG}
SETTINGS: Final = (
    Setting("embedded", EMBEDDED, "nothing is lost", services=1),
    Setting("embedded, power cut", EMBEDDED, "nothing is lost", power_cut=True, services=1),
    Setting("everysec", PAIR, "nothing is lost", options={"appendfsync": "everysec"}),
    Setting("everysec, power cut", PAIR, "2 s at most", options={"appendfsync": "everysec"}, power_cut=True),
    Setting("always", PAIR, "nothing is lost"),
    Setting("always, power cut", PAIR, "nothing is lost", power_cut=True),
    Setting("replica promoted", PAIR, "what was under way to the replica", nodes=2),
    Setting("replica promoted, cut off before", PAIR, "all since the link was cut", nodes=2, cut_off=True),
    Setting("min-replicas", PAIR, "what was under way to the replicas", nodes=3, options=MIN_REPLICAS),
    Setting("min-replicas, cut off before", PAIR, "max-lag + 2 s", nodes=3, options=MIN_REPLICAS, cut_off=True),
    Setting("sentinel", SENTINEL, "what was under way to the replica", nodes=2),
    Setting("cluster", CLUSTER, "what was under way to the replica", nodes=4),
)


class Ground(Arena):
    """The stores of a setting and the services on them; `fail` kills a store, `mend` makes it whole again."""

    def __init__(self, folder: Path, setting: Setting) -> None:
        """folder: holds data and logs."""
        super().__init__(folder, setting.topology, setting.services)
        self.setting = setting
        self._link = Proxy("")
        self._primary: Node | None = None
        self._preload = ""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def _start_stores(self) -> None:
        if self.setting.power_cut:
            self._preload = str(power.build(self.folder))
        if self.setting.topology == EMBEDDED:
            self.settings = {"LD_PRELOAD": self._preload} if self._preload else {}
        elif self.setting.topology == PAIR:
            await self._start_pair()
        else:
            await super()._start_stores()

    async def _start_pair(self) -> None:
        environment = {"LD_PRELOAD": self._preload} if self._preload else {}
        self.stores = [
            Node(self.folder / f"store-{number}", dict(self.setting.options), environment=environment)
            for number in range(self.setting.nodes)
        ]
        self._primary = self.stores[0]
        await self._link.start()
        await asyncio.gather(*(node.start() for node in self.stores))
        await self._follow(self._primary)

    async def _store_url(self) -> str:
        return "" if self.setting.topology == EMBEDDED else await super()._store_url()

    async def _end(self) -> None:
        await super()._end()
        await self._link.close()
        if self.setting.topology == EMBEDDED:
            self._kill_embedded()

    @property
    def target(self) -> str:
        """Return the addresses of all services, for a client."""
        return "ipv4:" + ",".join(replica.target for replica in self.replicas)

    @property
    def site(self) -> str:
        """Return a site that lies on the servers that fail: in a cluster, on the shard that has a replica."""
        if self.setting.topology != CLUSTER:
            return "default"
        last = HASH_SLOTS // 3
        return next(site for number in range(1000) if key_slot(b"m:{%s}" % (site := f"s{number}").encode()) < last)

    async def fail(self) -> None:
        """Kill the store that acknowledges, and start it again, or see its replica in its place."""
        if self.setting.topology == EMBEDDED:
            await self._fail_embedded()
        elif self.setting.topology == PAIR and self.setting.nodes == 1:
            await self._restart()
        elif self.setting.topology == PAIR:
            await self._promote()
        else:
            self._primary = await self._leading()
            await self._primary.kill()

    async def prepare(self) -> None:
        """Bring about what stands before the failure: a link that is cut for some seconds."""
        if self.setting.cut_off:
            self._link.freeze()
            await asyncio.sleep(CUT_OFF_SECONDS)

    async def mend(self) -> None:
        """Make the store whole: each server that was killed runs again and has what the primary has."""
        if self.setting.topology == PAIR and self.setting.nodes > 1:
            await self._follow(self._primary)
        elif self.setting.topology in {SENTINEL, CLUSTER}:
            assert self._primary is not None
            other = next(node for node in self.replicated if node is not self._primary)

            async def promoted() -> bool:
                return await _role(other) == "master"

            await until(promoted, HEALED_SECONDS)
            if self.topology == SENTINEL:
                self._primary.options = {"replicaof": f"{HOST} {other.port}"}
            await self._primary.start()
            await until(self._whole, HEALED_SECONDS)

    async def _whole(self) -> bool:
        try:
            roles = [await node.ask("INFO", "replication") for node in self.replicated]
            linked = sorted(role.get("master_link_status", "") for role in roles) == ["", "up"]
            if self.topology == CLUSTER:
                infos = [await node.ask("CLUSTER", "INFO") for node in self.stores]
                return linked and all(b"cluster_state:ok" in info for info in infos)
            found = await self.sentinels[0].ask("SENTINEL", "REPLICAS", SERVICE)
        except (RedisError, OSError):
            return False
        # As RESP3 has it; RESP2 has a list of names and values.
        replicas = [one if isinstance(one, dict) else dict(zip(one[::2], one[1::2], strict=True)) for one in found]
        return linked and [one[b"flags"] for one in replicas] == [b"slave"]

    async def _leading(self) -> Node:
        for node in self.replicated:
            if await _role(node) == "master":
                return node
        raise RuntimeError("no server of the shard is a primary")

    async def _fail_embedded(self) -> None:
        if not self.setting.power_cut:
            self._kill_embedded()  # the service starts the store again
            return
        await self.replicas[0].kill()
        self._kill_embedded()
        power.cut(self.folder / "data-0")
        await self.replicas[0].start()

    def _kill_embedded(self) -> None:
        files = StoreFiles(self.folder / "data-0")
        _, pid = files.address() if files.lock.exists() else (None, "")
        command = Path(f"/proc/{pid}/cmdline")
        # The number may be another program's by now.
        if pid and command.exists() and os.fsencode(self.folder) in command.read_bytes():
            os.kill(int(pid), signal.SIGKILL)

    async def _restart(self) -> None:
        store = self.stores[0]
        await store.kill()
        if self.setting.power_cut:
            power.cut(store.folder)
        await store.start()

    async def _promote(self) -> None:
        """Kill the primary, and promote the replica that has most of it, as a careful operator does at once."""
        assert self._primary is not None
        old = self._primary
        await old.kill()
        await self._link.cut()
        others = [node for node in self.stores if node is not old]
        self._primary = max([(await _offset(node), node.port, node) for node in others])[2]
        await self._primary.ask("REPLICAOF", "NO", "ONE")
        self._link.target = self._primary.address
        self._link.thaw()
        for pipe in self.pipes:
            pipe.target = self._primary.address
            await pipe.cut()

    async def _follow(self, primary: Node | None) -> None:
        """Let every other server replicate the primary through the link."""
        assert primary is not None
        self._link.target = primary.address
        others = [node for node in self.stores if node is not primary]
        for node in others:
            if node.process is None or node.process.returncode is not None:
                await node.start()
            await node.ask("REPLICAOF", HOST, self._link.address.rpartition(":")[2])

        async def linked() -> bool:
            infos = [await node.ask("INFO", "replication") for node in others]
            return all(info.get("master_link_status") == "up" for info in infos)

        await until(linked, HEALED_SECONDS)


async def _role(node: Node) -> str:
    try:
        return str((await node.ask("INFO", "replication"))["role"])
    except (RedisError, OSError):
        return ""


async def _offset(node: Node) -> int:
    info: dict[str, Any] = await node.ask("INFO", "replication")
    return int(info["slave_repl_offset"])
