"""Measures how long control contacts wait beside the others: python -m benchmarks.comparison_waits.

Contacts come at random, a tenth of them control, and are served by the agents of a suite, as the queue of the service
serves them. The days are those of benchmarks.profile_waits: half of the contacts say nothing, half of the customers
have a profile. The arms differ in whom a contact gets; in how long it waits they must not differ.

How long a contact waits depends most on when it comes. So each control contact is compared with the treatment contacts
that came next to it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.profile_waits import ANYONE, SAYS_NOTHING, SEED, SUITE, Arrival, Queue, drawn, silent
from matcher.affinity.language import ENGLISH
from matcher.config import load
from matcher.evaluation.production import Production, open_production
from matcher.evaluation.suite import Suite, read_suite
from matcher.model import Arm, Pool, PoolPolicy
from matcher.ranking.comparison import draw_arm
from matcher.routing.mean_affinity import MeanAffinity
from matcher.routing.queued_contacts import MOST_AGENTS, SearchedContact, with_arm

SHARE: Final = 0.1
NEIGHBOURS: Final = 5
"""Contacts before a control contact, and after it, that it is compared with."""


@dataclass(frozen=True, slots=True)
class Waited:
    """A day: whether each contact is control, and how long it waited (s)."""

    control: NDArray[np.bool_]
    waits: NDArray[np.float64]


class ComparedQueue(Queue):
    """The queue of a pool that compares."""

    def __init__(self, production: Production, suite: Suite, floor: float, salt: bytes) -> None:
        super().__init__(production, suite, floor, Pool("default", PoolPolicy(control_share=SHARE), 1, 0, 0))
        self._salt = salt
        self._mean = MeanAffinity()

    def is_control(self, contact: str) -> bool:
        """Return whether a contact is drawn as control."""
        return draw_arm(self._salt, contact, SHARE).arm is Arm.CONTROL

    def _searched(self, contact: str, arrival: Arrival) -> SearchedContact:
        searched = super()._searched(contact, arrival)
        query = arrival.encoded.query(self._terms.floor, self._pool.policy.profile_weight)
        result = self._index.find(query, ANYONE, max_free=MOST_AGENTS, floor=math.inf)
        record = replace(searched.contact.record, draw=draw_arm(self._salt, contact, SHARE))
        searched = replace(searched, contact=replace(searched.contact, record=record), result=result)
        return with_arm(searched, self._mean)


def waited(production: Production, suite: Suite, floor: float, arrivals: Sequence[Arrival], day: int) -> Waited:
    """Play a day; the salt of each is another one."""
    queue = ComparedQueue(production, suite, floor, f"day {day}".encode())
    waits = np.array(queue.play(arrivals).waits_ms) / 1000
    return Waited(np.array([queue.is_control(str(number)) for number in range(len(arrivals))]), waits)


def beside(day: Waited) -> NDArray[np.float64]:
    """Return by how much longer each control contact waited than the treatment contacts that came next to it (s)."""
    longer = []
    for place in np.flatnonzero(day.control).tolist():
        near = slice(max(0, place - NEIGHBOURS), place + NEIGHBOURS + 1)
        longer.append(day.waits[place] - day.waits[near][~day.control[near]].mean())
    return np.array(longer)


async def measure(folder: Path, contacts: int, occupancy: float, days: int) -> dict[str, float]:
    """Return both mean waits (s) over drawn days, and the mean difference with its 95 % half-width."""
    suite = read_suite(folder)
    async with open_production(load(), lambda _: None) as production:
        await production.encode_suite(suite, silent)
        profiles = ((message.text[:512],) for message in suite.messages)
        await production.encode((), "profiles", silent, messages=[SAYS_NOTHING], profiles=profiles)
        floor = (await production.floors_of(production.index(suite.agents))).of(ENGLISH)
        played = [
            waited(production, suite, floor, drawn(production, suite, contacts, occupancy, SEED + day), day)
            for day in range(days)
        ]
    control = np.array([day.waits[day.control].mean() for day in played])
    others = np.array([day.waits[~day.control].mean() for day in played])
    difference = np.array([beside(day).mean() for day in played])
    half_width = 1.96 * float(difference.std(ddof=1)) / len(played) ** 0.5
    return {
        "control_seconds": round(float(control.mean()), 1),
        "treatment_seconds": round(float(others.mean()), 1),
        "difference_seconds": round(float(difference.mean()), 1),
        "half_width_seconds": round(half_width, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", type=Path, default=SUITE, metavar="FOLDER")
    parser.add_argument("--contacts", type=int, default=500, help="of a day")
    parser.add_argument("--days", type=int, default=60, help="at least 2")
    parser.add_argument("--occupancy", type=float, default=0.98, help="share of the agents' time that is asked for")
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measure(given.suite, given.contacts, given.occupancy, given.days)), indent=2))
