"""The check of profiles: what a stranger's profile costs a message, and what a customer's own profile finds alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from matcher.evaluation.cross_validation import fold_of, taught_by_folds
from matcher.evaluation.production import Production, Progress, search
from matcher.evaluation.suite import Suite
from matcher.index import SiteIndex
from matcher.ranking.floors import Floors
from matcher.routing.encoded_message import EncodedMessage

SAYS_NOTHING: Final = "hi"
MOST_CHARACTERS: Final = 512
"""Of an interest; a longer message is given as several."""
SEED: Final = 21


@dataclass(frozen=True, slots=True)
class Found:
    """How many messages find a right agent first, as fractions."""

    without_floor: float
    """In a pool of affinity_floor 0: what `recall_at_1` counts."""
    at_the_floor: float
    """In a pool with the computed floor; a message that stays below it falls back and is not counted."""


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """What is found by a suite's messages alone, with a stranger's profile, and as the profile of a "hi"."""

    suite: str
    floor: float
    """The mean of the floors of the messages, each that of its language."""
    alone: Found
    with_strangers_profile: Found
    as_profile: Found


async def check_profiles(
    production: Production, suites: Sequence[Suite], progress: Progress, *, folds: int | None = None
) -> list[ProfileResult]:
    """Rank for every message with all agents free, as `RouteMessage` does in a pool of profile_weight 1.

    The stranger's profile is another message of the suite that has other right agents. folds: each message is ranked by
    a scorer that was learned without its right agents; None: by the service's.
    """
    for suite in suites:
        await production.encode_suite(suite, progress)
        profiles = (_interests(message.text) for message in suite.messages)
        label = f"{suite.name}: encoding profiles"
        await production.encode((), label, progress, messages=[SAYS_NOTHING], profiles=profiles)
    found: list[list[tuple[float, _Hits]]] = [[] for _ in suites]
    scorers: Iterator[tuple[int, Production]] = iter([(0, production)])
    if folds:
        scorers = taught_by_folds(production, suites, folds, progress)
    for fold, taught in scorers:
        for suite, hits in zip(suites, found, strict=True):
            index = taught.index(suite.agents)
            floors = await taught.floors_of(index)
            places = np.flatnonzero(fold_of(suite, folds) == fold).tolist() if folds else range(len(suite.messages))
            with progress(f"{suite.name}: ranking", len(places)) as step:
                hits += [_hits(taught, index, suite, floors, place, step) for place in places]
    return [_result(suite, hits) for suite, hits in zip(suites, found, strict=True)]


_Hits: TypeAlias = "list[tuple[bool, ...]]"


def _hits(
    production: Production, index: SiteIndex, suite: Suite, floors: Floors, place: int, step: Callable[[], None]
) -> tuple[float, _Hits]:
    """Return the message's floor, and whether the first agent is right without and with the floor of what is said.

    The cases are the message alone, beside a stranger's profile, and as a profile.
    """
    message = suite.messages[place]
    stranger = _interests(_stranger(suite, place))
    cases = ((message.text, ()), (message.text, stranger), (SAYS_NOTHING, _interests(message.text)))
    hits = []
    for text, interests in cases:
        encoded = production.read(text, interests)
        first = (_first(index, encoded, low) for low in (0.0, floors.of(encoded.language)))
        hits.append(tuple(agent in message.relevant for agent in first))
    step()
    return floors.of(production.read(message.text).language), hits


def _first(index: SiteIndex, encoded: EncodedMessage, floor: float) -> str:
    """Return the first agent by affinity; "" where no affinity reaches the floor."""
    result = search(index, encoded, floor=floor)
    scores = result.scores
    if scores.affinity.max(initial=-np.inf) < floor:
        return ""
    return str(result.agents[int(np.argmax(scores.score))].id) if len(scores.score) else ""


def _stranger(suite: Suite, place: int) -> str:
    """Return the text of another message, drawn for this one, that has no right agent in common with this one."""
    own = suite.messages[place]
    for other in np.random.default_rng([SEED, place]).permutation(len(suite.messages)).tolist():
        message = suite.messages[other]
        if message.relevant and message.relevant.isdisjoint(own.relevant):
            return str(message.text)
    return ""


def _interests(text: str) -> tuple[str, ...]:
    """Return a text as the interests of a profile."""
    starts = range(0, len(text), MOST_CHARACTERS)
    return tuple(piece for start in starts if (piece := text[start : start + MOST_CHARACTERS].strip()))


def _result(suite: Suite, hits: Sequence[tuple[float, _Hits]]) -> ProfileResult:
    shares = np.array([cases for _, cases in hits], np.float64).mean(axis=0).tolist()
    return ProfileResult(suite.name, float(np.mean([floor for floor, _ in hits])), *(Found(*share) for share in shares))
