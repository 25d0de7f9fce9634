"""The plan of a day: its size, its terms, the habits of people, and the crashes; all draws come from one seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.material import read_material
from benchmarks.simulate import history as h
from benchmarks.sizes import ROOT
from matcher.loadtest.material import made_interests, made_messages

CARE: Final = "care"
URGENT: Final = "urgent"
CHAT: Final = "chat"
VOICE: Final = "voice"
COSTS: Final = {CHAT: 30, VOICE: 100}
TOTAL: Final = 100
SUITES: Final = (ROOT / ".." / "shared" / "evaluation" / "dev" / "persona_3utt", ROOT / "examples" / "suite")


@dataclass(frozen=True, slots=True)
class Habits:
    """The behaviour of people: shares of 1, and seconds of real time."""

    decline: float = 0.03
    ignore: float = 0.02
    silent: float = 0.01
    """Share of conversations whose customer never gets an answer, in pools that demand one."""
    dismissed: float = 0.02
    """Share of an agent's breaks in which the agent is removed by force, and hired again."""
    again_under_id: float = 0.5
    """Share of returned contacts that are routed again under their id; the others are canceled."""
    transfer: float = 0.04
    cancel: float = 0.01
    again: float = 0.05
    """Share of conversations that are completed twice."""
    wrapped_up: float = 0.2
    """Share of the wrap-ups that the agent ends."""
    voice: float = 0.15
    urgent: float = 0.25
    skilled: float = 0.25
    german: float = 0.08
    returning: float = 0.15
    preferring: float = 0.03
    excluding: float = 0.02
    impatient: float = 0.06
    """Share of customers who give up after a while if they still wait."""
    not_waiting: float = 0.05
    auto_accept: float = 0.04
    twice_at_once: float = 0.03
    """Share of requests that are sent to two replicas at the same time."""
    repeated: float = 0.03
    cut_short: float = 0.02
    """Share of calls whose first attempt has a timeout of milliseconds, so that its result stays unknown."""
    patience: float = 12.0
    think: float = 0.8
    talk: float = 11.0
    longest_talk: float = 40.0
    breaks: float = 90.0
    """Mean time between the breaks of an agent."""
    break_seconds: float = 8.0
    assignments: float = 8.0
    """Mean time between the assignments of the supervisor."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a day; seconds are of real time, of which one stands for `speed` seconds of the day."""

    agents: int = 200
    contacts: int = 20_000
    seconds: float = 740.0
    seed: int = 1
    speed: float = 30.0
    replicas: int = 3
    habits: Habits = field(default_factory=Habits)
    pools: tuple[h.PoolTerms, ...] = (
        h.PoolTerms(
            id=CARE, offer=5.0, accepted=120.0, wait=120.0, wait_weight=0.2, wrap_up=1.0, idle=25.0,
            relationship_wait=2.0, control_share=0.1,
        ),
        h.PoolTerms(
            id=URGENT, offer=5.0, accepted=120.0, wait=120.0, wait_weight=0.2, head_start=4.0, first_response=8.0,
            control_share=0.1,
        ),
    )  # fmt: skip
    replica_killed_at: float | None = 0.35
    """The time as a share of the day; None: never."""
    replica_back_after: float = 5.0
    store_killed_at: float | None = 0.65
    store_back_after: float = 1.0
    drain_seconds: float = 150.0
    to_the_end: bool = True
    """Whether the last customers are served and the state is checked at the end."""
    bug: str = ""
    """The bug that is planted in the servers."""


HURRIED: Final = Habits(
    twice_at_once=0.1, cut_short=0.05, transfer=0.15, impatient=0.4, patience=1.0, think=0.15, talk=1.2,
    longest_talk=4.0, breaks=10.0, break_seconds=1.0, silent=0.2, dismissed=0.15,
    assignments=1.0,
)  # fmt: skip
"""Habits for a day of some seconds, with more of the difficult cases."""


def small(seed: int = 1) -> Plan:
    """Return a day of some seconds, with everything that a long day has, shorter terms, and a crash of each kind."""
    shared = h.PoolTerms(id=CARE, offer=2.0, accepted=30.0, wait=20.0, wait_weight=0.5, control_share=0.3)
    return Plan(
        agents=14,
        contacts=250,
        seconds=18.0,
        seed=seed,
        habits=HURRIED,
        pools=(
            msgspec.structs.replace(shared, wrap_up=0.3, idle=2.5, relationship_wait=1.0),
            msgspec.structs.replace(shared, id=URGENT, head_start=1.0, first_response=2.0),
        ),
        replica_killed_at=0.3,
        replica_back_after=1.0,
        store_killed_at=0.65,
        store_back_after=0.5,
        drain_seconds=90.0,
    )


def for_bug(bug: str, seed: int = 1) -> Plan:
    """Return a day of some seconds that shows a planted bug: with more cases of its law, without crashes and an end."""
    plan = replace(small(seed), bug=bug, replicas=2, seconds=10.0, contacts=150, agents=10, to_the_end=False)
    shared = h.PoolTerms(id=CARE, offer=2.0, accepted=30.0, wait=10.0, wait_weight=1.0)
    plan = replace(
        plan,
        pools=(shared, msgspec.structs.replace(shared, id=URGENT)),
        replica_killed_at=None,
        store_killed_at=None,
    )
    match bug:
        case "no-idempotency":
            return replace(plan, habits=replace(HURRIED, twice_at_once=0.3))
        case "release-before-hold":
            # No agent is free for a transfer, and other contacts wait for the capacity that a transfer releases.
            habits = replace(
                HURRIED, transfer=0.8, talk=0.4, think=0.1, voice=0.0, skilled=0.0, ignore=0.0, decline=0.0
            )
            return replace(plan, agents=4, contacts=140, seconds=14.0, habits=habits)
        case "no-earmark":
            # The queue is never empty, and new messages arrive all the time.
            return replace(plan, agents=6, contacts=300, habits=replace(HURRIED, talk=0.6, voice=0.0, skilled=0.0))
        case _:
            return plan


@dataclass(frozen=True, slots=True, repr=False)
class Arrival:
    """A contact with the time of its arrival and the data of its request."""

    at: float
    text: str
    wish: h.Wish
    customer: str
    wait: float
    auto_accept: bool
    patience: float
    preferred: str


@dataclass(frozen=True, slots=True, repr=False)
class Cast:
    """The agents of a day with their interests, and the customers' texts."""

    desks: tuple[h.Desk, ...]
    interests: dict[str, tuple[str, ...]]
    texts: tuple[str, ...]


def cast(plan: Plan) -> Cast:
    """Draw the agents, and read or generate the texts."""
    rng = random.Random(plan.seed)
    suite = next((folder for folder in SUITES if folder.is_dir()), None)
    lines, texts = _texts(suite, plan.seed)
    desks = []
    for number in range(plan.agents):
        skills = {f"desk-{number:03d}": 1}
        skills |= {skill: rng.randint(1, 5) for skill in ("billing", "tech") if rng.random() < 0.5}
        channels = {CHAT: (COSTS[CHAT], 3), VOICE: (COSTS[VOICE], 1)}
        if rng.random() < 0.2:
            del channels[CHAT]
        desks.append(
            h.Desk(
                agent=f"agent-{number:03d}",
                pools=(CARE, URGENT) if rng.random() < 0.4 else (CARE,),
                total=TOTAL,
                channels=channels,
                skills=skills,
                languages=("en", "de") if rng.random() < 0.3 else ("en",),
            )
        )
    interests = {desk.agent: tuple(rng.sample(lines, 5)) for desk in desks}
    return Cast(tuple(desks), interests, tuple(texts))


def _texts(suite: Path | None, seed: int) -> tuple[Sequence[str], Sequence[str]]:
    if suite is None:
        return made_interests(), made_messages(2_000, seed)
    material = read_material(suite)
    return material.lines, material.messages


def arrivals(plan: Plan, actors: Cast) -> Iterator[Arrival]:
    """Draw the contacts of the day in the order of their arrival: two waves, the second a little higher."""
    rng, habits = random.Random(plan.seed + 1), plan.habits
    pools = {pool.id: pool for pool in plan.pools}
    agents = [desk.agent for desk in actors.desks]
    customers: list[str] = []
    for number, at in enumerate(sorted(_moment(rng, plan.seconds) for _ in range(plan.contacts))):
        pool = pools[URGENT if rng.random() < habits.urgent else CARE]
        customer = rng.choice(customers) if customers and rng.random() < habits.returning else f"customer-{number}"
        customers.append(customer)
        preferred = rng.choice(agents) if rng.random() < habits.preferring else ""
        wish = h.Wish(
            pool=pool.id,
            channel=VOICE if rng.random() < habits.voice else CHAT,
            skills=_skills(rng, habits),
            language="de" if rng.random() < habits.german else "",
            excluded=(rng.choice(agents),) if rng.random() < habits.excluding else (),
            kept=3.0 if preferred else 0.0,
        )
        yield Arrival(
            at=at,
            text=rng.choice(actors.texts),
            wish=wish,
            customer=customer,
            wait=0.0 if rng.random() < habits.not_waiting else pool.wait,
            auto_accept=rng.random() < habits.auto_accept,
            patience=rng.expovariate(1 / habits.patience) if rng.random() < habits.impatient else math.inf,
            preferred=preferred if preferred not in wish.excluded else "",
        )


def _skills(rng: random.Random, habits: Habits) -> dict[str, tuple[int, float]]:
    if rng.random() >= habits.skilled:
        return {}
    lasts = 4.0 if rng.random() < 0.5 else 0.0
    return {rng.choice(("billing", "tech")): (rng.randint(1, 4), lasts)}


def _moment(rng: random.Random, seconds: float) -> float:
    """Draw a moment of the day with the density 1 - 0.45 cos(2 · 2π t), the second wave a tenth higher."""
    while True:
        share = rng.random()
        wave = (1 - 0.45 * math.cos(4 * math.pi * share)) * (1.1 if share > 0.5 else 1.0)
        if rng.random() * 1.6 < wave:
            return share * seconds
