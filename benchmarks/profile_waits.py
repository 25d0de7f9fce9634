"""Waits of customers with a profile beside those without: a queue that the service's own search and pairs serve."""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.language import ENGLISH
from matcher.config import load
from matcher.evaluation.production import Production, open_production
from matcher.evaluation.suite import Suite, read_suite
from matcher.index import SiteIndex
from matcher.model import Message, Pool, PoolPolicy, Requirements
from matcher.model.lifecycle import AgentStatus
from matcher.ranking.policy import RankingTerms
from matcher.routing.encoded_message import EncodedMessage
from matcher.routing.queued_contacts import MOST_AGENTS, QueuedContact, SearchedContact, pair_contacts
from matcher.store.contacts import QueuePlace, WaitingContact

SUITE: Final = Path("examples/suite")
SEED: Final = 21
SAYS_NOTHING: Final = "hi"
MEAN_CONVERSATION_MS: Final = 600_000
AT_ONCE: Final = 8
ANYONE: Final = Requirements()


@dataclass(frozen=True, slots=True, repr=False)
class Arrival:
    """A contact: when it comes, how long its conversation lasts (ms), what is compared of it, and its kind."""

    at_ms: int
    lasts_ms: int
    encoded: EncodedMessage
    kind: str


@dataclass(frozen=True, slots=True)
class Day:
    """What became of the contacts: the wait of each (ms), and how many met an interest."""

    waits_ms: Sequence[int]
    by_affinity: int


class Queue:
    """Contacts that wait for a free agent of an index, served as the service serves its queue."""

    def __init__(self, production: Production, suite: Suite, floor: float, pool: Pool) -> None:
        self._index: SiteIndex = production.index(suite.agents)
        self._terms = RankingTerms(floor, production.tolerance)
        self._pool = pool
        self._ends: list[tuple[int, str]] = []
        self._waiting: dict[str, tuple[int, Arrival]] = {}
        self._waits: dict[int, int] = {}
        self._by_affinity = 0

    def play(self, arrivals: Sequence[Arrival]) -> Day:
        """Serve all arrivals, in the order of their times."""
        for number, arrival in enumerate(arrivals):
            while self._ends and self._ends[0][0] <= arrival.at_ms:
                self._end_one()
            self._waiting[str(number)] = (number, arrival)
            self._serve(arrival.at_ms)
        while self._waiting:
            self._end_one()
        return Day([self._waits[number] for number in range(len(arrivals))], self._by_affinity)

    def _end_one(self) -> None:
        now, agent = heapq.heappop(self._ends)
        self._index.put_status(agent, AgentStatus.ONLINE, now)
        self._serve(now)

    def _serve(self, now: int) -> None:
        while self._waiting:
            first = list(islice(self._waiting.items(), AT_ONCE))
            searched = [self._searched(contact, arrival) for contact, (_, arrival) in first]
            able = [contact for contact in searched if contact.result and contact.result.eligible]
            pairs = pair_contacts(able, self._index.agent, now) if able else []
            if not pairs:
                return
            for contact, agent in pairs:
                number, arrival = self._waiting.pop(contact.contact.place.contact)
                self._waits[number] = now - arrival.at_ms
                self._by_affinity += contact.ranking(agent).basis == "AFFINITY"
                self._index.put_status(agent, AgentStatus.AWAY, now)
                heapq.heappush(self._ends, (now + arrival.lasts_ms, agent))

    def _searched(self, contact: str, arrival: Arrival) -> SearchedContact:
        query = arrival.encoded.query(self._terms.floor, self._pool.policy.profile_weight)
        result = self._index.find(query, ANYONE, max_free=MOST_AGENTS, floor=self._terms.floor)
        queued = QueuedContact(
            QueuePlace(contact, self._pool.id, arrival.at_ms),
            WaitingContact(b"", "chat", "", 0, 0, "", {}, {}),
            Message("", "", ANYONE),
            auto_accept=False,
            encoded=arrival.encoded,
            requirements=ANYONE,
        )
        return SearchedContact(queued, self._pool, ANYONE, self._terms, result=result)


def drawn(production: Production, suite: Suite, contacts: int, occupancy: float, seed: int) -> list[Arrival]:
    """Draw arrivals: half of the messages say nothing, and half of the customers have a profile."""
    random = np.random.default_rng(seed)
    gaps = random.exponential(MEAN_CONVERSATION_MS / (occupancy * len(suite.agents)), contacts)
    lasts = random.exponential(MEAN_CONVERSATION_MS, contacts)
    arrivals = []
    for at, length in zip(np.cumsum(gaps).tolist(), lasts.tolist(), strict=True):
        said, known = suite.messages[random.integers(len(suite.messages))].text, bool(random.integers(2))
        profile = suite.messages[random.integers(len(suite.messages))].text[:512]
        text = said if random.integers(2) else SAYS_NOTHING
        kind = f"{'with' if known else 'without'} a profile, {'says nothing' if text == SAYS_NOTHING else 'speaks'}"
        encoded = production.read(text, (profile,) if known else ())
        arrivals.append(Arrival(round(at), round(length), encoded, kind))
    return arrivals


def waits_of_a_day(
    production: Production, suite: Suite, floor: float, arrivals: Sequence[Arrival]
) -> dict[str, tuple[float, float]]:
    """Play the same arrivals with profiles and without; return both mean waits in seconds by kind of contact."""
    with_profiles, without = (
        np.array(Queue(production, suite, floor, Pool("default", policy, 1, 0, 0)).play(arrivals).waits_ms) / 1000
        for policy in (PoolPolicy(), PoolPolicy(profile_weight=0.0))
    )
    kinds = np.array([arrival.kind for arrival in arrivals])
    return {
        str(kind): (float(with_profiles[kinds == kind].mean()), float(without[kinds == kind].mean()))
        for kind in sorted(set(kinds))
    }


async def measure(folder: Path, contacts: int, occupancy: float, days: int) -> dict[str, object]:
    """Return the mean waits by kind of contact over drawn days, and the difference with its 95 % half-width."""
    suite = read_suite(folder)
    waits: dict[str, list[tuple[float, float]]] = {}
    async with open_production(load(), lambda _: None) as production:
        await production.encode_suite(suite, silent)
        profiles = ((message.text[:512],) for message in suite.messages)
        await production.encode((), "profiles", silent, messages=[SAYS_NOTHING], profiles=profiles)
        floor = (await production.floors_of(production.index(suite.agents))).of(ENGLISH)
        for day in range(days):
            arrivals = drawn(production, suite, contacts, occupancy, SEED + day)
            for kind, both in waits_of_a_day(production, suite, floor, arrivals).items():
                waits.setdefault(kind, []).append(both)
    return {kind: _summary(np.array(both)) for kind, both in waits.items()}


def _summary(both: NDArray[np.float64]) -> dict[str, float]:
    """Return the means of both columns [days, 2], and the mean of their difference with its half-width."""
    with_profiles, without = both.mean(axis=0).tolist()
    difference = both[:, 0] - both[:, 1]
    half_width = 1.96 * float(difference.std(ddof=1)) / len(difference) ** 0.5
    figures = (with_profiles, without, with_profiles - without, half_width)
    names = ("with_profiles_seconds", "without_seconds", "difference_seconds", "half_width_seconds")
    return {name: round(figure, 1) for name, figure in zip(names, figures, strict=True)}


@contextmanager
def silent(_label: str, _total: int) -> Iterator[Callable[[], None]]:
    """Show no progress."""
    yield lambda: None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", type=Path, default=SUITE, metavar="FOLDER")
    parser.add_argument("--contacts", type=int, default=500, help="of a day")
    parser.add_argument("--days", type=int, default=20, help="at least 2")
    parser.add_argument("--occupancy", type=float, default=0.98, help="share of the agents' time that is asked for")
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measure(given.suite, given.contacts, given.occupancy, given.days)), indent=2))
