"""Strategies that draw rosters: agents of few words and few dimensions, so that messages meet them often."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from matcher.affinity.kinds import Others
from matcher.affinity.scorer import Scorer
from matcher.index import SiteIndex
from matcher.model import Agent, Capacity, ChannelCapacity, Hold, Profile, Requirements
from matcher.model.lifecycle import AgentStatus
from tests.index.plain import Floats, unit_length

DIMENSION = 24
HALVES = (10, 14)
WORDS = ("apples", "bread", "cats", "dogs", "eagles", "fishing", "goats", "hiking", "islands", "jazz")
POOLS = ("default", "sales", "nights")
CHANNELS = ("chat", "mail", "voice")
SKILLS = ("billing", "network")
LANGUAGES = ("en", "de-AT", "pt_BR", "nb", "no", "iw")
NAMES = tuple(f"agent-{number:02d}" for number in range(7))

interests = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True).map(" and ".join)


def some(names: tuple[str, ...], least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw some of the names."""
    return st.lists(st.sampled_from(names), min_size=least, unique=True).map(tuple)


channels = st.builds(ChannelCapacity, cost=st.integers(0, 2), max=st.integers(0, 2))
capacities = st.builds(
    lambda total, chat, others: Capacity(total, {"chat": chat, **others}),
    st.integers(0, 4),
    channels,
    st.dictionaries(st.sampled_from(CHANNELS), channels, max_size=2),
)
profiles = st.builds(
    Profile,
    display_name=st.just("Someone"),
    interests=st.lists(interests, min_size=1, max_size=5, unique=True).map(tuple),
    skills=st.dictionaries(st.sampled_from(SKILLS), st.integers(0, 3)),
    languages=some(LANGUAGES),
    capacity=capacities,
    pools=st.one_of(st.just(("default",)), some(POOLS, least=1)),
)
statuses = st.sampled_from([AgentStatus.ONLINE, AgentStatus.ONLINE, AgentStatus.DRAINING, AgentStatus.OFFLINE])
holds = st.builds(
    Hold,
    reservation=st.sampled_from(["r1", "r2", "r3"]),
    channel=st.sampled_from(("chat", *CHANNELS)),
    cost=st.integers(0, 2),
    deadline_ms=st.integers(0, 100),
)
requirements = st.one_of(
    st.just(Requirements()),
    st.builds(Requirements, excluded=some((*NAMES, "stranger")).map(frozenset)),
    st.builds(Requirements, language=st.sampled_from(("en-GB", "de", "ja", "no", "nb", "nn", "he"))),
    st.builds(Requirements, skills=st.dictionaries(st.sampled_from((*SKILLS, "juggling")), st.integers(0, 3))),
    st.builds(
        Requirements,
        pool=st.sampled_from((*POOLS, "nobody's")),
        channel=st.sampled_from((*CHANNELS, "fax")),
        language=st.sampled_from(("", "en")),
        skills=st.dictionaries(st.sampled_from(SKILLS), st.integers(0, 2), max_size=1),
        excluded=some(NAMES).map(frozenset),
    ),
)
seeds = st.integers(0, 2**32 - 1)


def vectors(seed: int, count: int, dimension: int = DIMENSION) -> Floats:
    """Make unit vectors [count, dimension] near a few directions, some of them along one axis alone."""
    random = np.random.default_rng(seed)
    directions = np.random.default_rng(7).normal(size=(6, dimension))
    made = directions[random.integers(6, size=count)] + random.normal(size=(count, dimension))
    made[random.random(count) < 0.05] = np.eye(dimension)[random.integers(dimension)]
    return unit_length(made)


def vectors_of_two_halves(seed: int, count: int, dimension: int = DIMENSION) -> Floats:
    """Make vectors [count, dimension] like `vectors`, each half of length 1 or zero; some are of other languages."""
    made, first = vectors(seed, count, dimension), HALVES[0]
    for half in (slice(0, first), slice(first, dimension)):
        length = np.linalg.norm(made[:, half], axis=1, keepdims=True)
        made[:, half] /= np.maximum(length, np.float32(1e-9))
    made[np.random.default_rng(seed).random(count) < 0.4, :first] = 0
    return made


def scorer_of_halves(*, mapped: bool, seed: int = 5) -> Scorer:
    """Make a scorer for vectors of two halves, whose blocks are no rotations."""
    others = Others(threshold=0.25 if mapped else 0.4, slope=0.7 if mapped else 1.5)
    if not mapped:
        return Scorer(halves=HALVES, others=others)
    linear = np.eye(DIMENSION) + np.random.default_rng(seed).normal(size=(DIMENSION, DIMENSION)) * 0.08
    linear[: HALVES[0], HALVES[0] :] = linear[HALVES[0] :, : HALVES[0]] = 0
    linear[HALVES[0] :] *= 0.6
    return Scorer(map=np.asarray(linear, np.float32), halves=HALVES, others=others)


def scorer(*, mapped: bool, seed: int = 3) -> Scorer:
    """Make a scorer, without a map or with one that is no rotation."""
    if not mapped:
        return Scorer()
    noise = np.random.default_rng(seed).normal(size=(DIMENSION, DIMENSION)) * 0.08
    return Scorer(map=np.asarray(np.eye(DIMENSION) + noise, np.float32))


SCORERS = (scorer(mapped=False), scorer(mapped=True), scorer(mapped=True, seed=4), Scorer(threshold=0.2, saturation=2))
"""Scorers for pools."""

PAIR_SCORERS = (scorer_of_halves(mapped=False), scorer_of_halves(mapped=True), scorer_of_halves(mapped=True, seed=6))
"""Scorers for pools of a site whose vectors have two halves."""


def crowd(count: int, *, online: int, seed: int = 0) -> tuple[SiteIndex, list[Agent]]:
    """Index agents of three interests each, the first `online` of them online, no two idle equally long."""
    index = SiteIndex(Scorer(), DIMENSION)
    agents = []
    for number in range(count):
        status = AgentStatus.ONLINE if number < online else AgentStatus.OFFLINE
        own = tuple(f"{WORDS[(number + at) % len(WORDS)]} {number} {at}" for at in range(3))
        profile = Profile(f"Agent {number}", own, capacity=Capacity(2, {"chat": ChannelCapacity(1)}))
        agents.append(Agent(f"a{number:04d}", profile, status, 1, 1, 0, 0, 1000 + number))
        index.put(agents[-1], vectors(seed + number, 3))
    return index, agents
