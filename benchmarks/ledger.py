"""The ledger's costs: bytes of an hour's backlog in the store, and what feeding takes.

    python -m benchmarks.ledger [--postgres URL]

The entries are those of real reserves, accepts and completes among eight candidates, repeated under other ids. What a
decision's CPU becomes with a ledger: `python -m benchmarks.trees --before . --after . --bound 1.05 --after-setting
MATCHER_LEDGER_URL=sqlite:////tmp/ledger.sqlite`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis

from benchmarks.alone import say
from matcher.ledger.database import LedgerDatabase
from matcher.ledger.writer import AT_ONCE, Batch, LedgerWriter
from matcher.model import Basis, Capacity, ChannelCapacity, PoolPolicy, Profile
from matcher.model.lifecycle import AgentStatus
from matcher.model.resource_names import new_id
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.keys import Keys
from matcher.store.outbox import OutboxEntry, OutboxStore, step_of
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import Lifetimes, ReservationStore, ReserveRequest, Shortlist
from matcher.store.roster import RosterStore
from matcher.store.sites import SiteStore

SITE: Final = "default"
DECISIONS_A_SECOND: Final = 100
HOUR: Final = 3_600
STEPS: Final = 3
"""Of a decision: offered, accepted, completed."""
PATTERNS: Final = 300
"""Decisions that are made; the hour's entries repeat theirs."""
CANDIDATES: Final = 8
AT_ONCE_IN_LUA: Final = 20_000
FED: Final = 30_000
"""Entries that are fed to a database and timed."""
_FILL: Final = """
local entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1])
for i = 1, tonumber(ARGV[2]) do
  local text = entries[i % #entries + 1][2][2]
  redis.call('XADD', KEYS[2], '0-*', 'e', text)
end
"""


async def make(client: StoreClient) -> None:
    """Make decisions by the service's own verbs, with ids of the lengths that the service gives."""
    lifetimes = Lifetimes(86_400_000, 60_000, 86_400_000, 86_400_000, 100_000, outbox_kept=10_000_000)
    sites, roster, routing = SiteStore(client, 1_000), RosterStore(client, 1_000), ReservationStore(client, lifetimes)
    await sites.found(SITE, "bench", listed=False)
    await roster.put_pool(SITE, "default", PoolPolicy(), 0)
    await sites.put_on_list(SITE)
    await sites.found(SITE, "bench", listed=True)
    agents = [f"agent-{number:04d}" for number in range(CANDIDATES)]
    for agent in agents:
        await roster.put_agent(
            SITE,
            agent,
            Profile("", ("bees",), capacity=Capacity(100, {"chat": ChannelCapacity(1)}), pools=("default",)),
            AgentStatus.ONLINE,
            model="m",
            vectors=None,
            expected=None,
            pools_before=(),
        )
    facts = "eligible=120;model=89f209a0e901dd25;scorer=0c1d2e3f40516273;margin=0.0312;"
    for _ in range(PATTERNS):
        request = ReserveRequest(
            SITE, new_id(), new_id(), new_id(), new_id(), True, "", "default", "chat", "", 600_000, False
        )
        shortlist = Shortlist(
            Basis.AFFINITY, 0.03, b"{}", [(agent, 0.62 - 0.02 * n) for n, agent in enumerate(agents)], facts=facts
        )
        await routing.reserve(request, shortlist)
        ref = await routing.reference(SITE, request.reservation)
        await routing.accept(ref, 0, 600_000)
        await routing.complete(ref, 0, 0)


async def backlog(url: str) -> dict[str, Any]:
    """Return what the entries of an hour take in the store."""
    entries = DECISIONS_A_SECOND * HOUR * STEPS
    async with Redis.from_url(url) as redis:
        made, filled = Keys(SITE).outbox, Keys("hour").outbox
        before = (await redis.info("memory"))["used_memory"]
        for start in range(0, entries, AT_ONCE_IN_LUA):
            await redis.eval(_FILL, 2, made, filled, PATTERNS * STEPS, min(AT_ONCE_IN_LUA, entries - start))
        used = (await redis.info("memory"))["used_memory"] - before
        await redis.delete(filled)
    return {
        "decisions_a_second": DECISIONS_A_SECOND,
        "hour_entries": entries,
        "hour_bytes": used,
        "entry_bytes": round(used / entries, 1),
    }


def feed(place: str, entries: list[OutboxEntry]) -> dict[str, Any]:
    """Return what the writer takes for new lives: CPU of its thread, and time, for a step and a batch."""
    database = LedgerDatabase.at(place)
    database.prepare()
    writer = LedgerWriter(database)
    spent, began = 0.0, time.perf_counter()
    for start in range(0, FED, AT_ONCE):
        cpu = time.thread_time()
        steps = []
        for number in range(start, start + AT_ONCE):
            entry = entries[number % len(entries)]
            kind, _, rest = entry.text.partition(b"|")
            contact, _, rest = rest.partition(b"|")
            lap = str(number // len(entries)).encode()
            step = step_of(OutboxEntry(number + 1, b"|".join((kind, contact[:-2] + lap, rest))))
            assert step is not None
            steps.append(step)
        first, last = steps[0], steps[-1]
        writer.commit(Batch(SITE, "bench", steps, start + 1, start + AT_ONCE, first.at_ms, last.at_ms))
        spent += time.thread_time() - cpu
    lasted = time.perf_counter() - began
    database.close()
    return {
        "step_cpu_usec": round(1e6 * spent / FED, 1),
        "steps_a_second": round(FED / lasted),
        "batch_ms": round(1e3 * lasted / FED * AT_ONCE, 2),
    }


async def measure(postgres: str) -> dict[str, Any]:
    """Measure everything; postgres: the URL of an empty database, "": none."""
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        store = await EmbeddedStore.open(EmbeddedSettings(Path(folder) / "data"))
        client = StoreClient(store.url)
        try:
            await client.start()
            say("ledger: making decisions")
            await make(client)
            found = await OutboxStore(client, 1).feed(SITE, "bench", 60_000, PATTERNS * STEPS)
            assert found is not None
            say("ledger: filling an hour's backlog")
            figures = await backlog(store.url)
            for name, place in (("sqlite", f"sqlite:///{Path(folder) / 'ledger.sqlite'}"), ("postgres", postgres)):
                if place:
                    say(f"ledger: feeding {FED} steps to {name}")
                    fed = await asyncio.to_thread(partial(feed, place, list(found.entries)))
                    figures |= {f"{name}_{key}": value for key, value in fed.items()}
            size = (Path(folder) / "ledger.sqlite").stat().st_size
            figures["sqlite_step_bytes"] = round(size / FED, 1)
            return figures
        finally:
            await client.close()
            await store.close()


def main() -> None:
    """Measure by the command line, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", default="", metavar="URL", help="an empty database of a PostgreSQL server")
    print(json.dumps(asyncio.run(measure(parser.parse_args().postgres)), indent=2))


if __name__ == "__main__":
    main()
