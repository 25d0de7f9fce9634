"""The baselines, on the same texts: a random order, BM25, one vector per profile, and the evidence alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import Stemmer
from numpy.typing import NDArray

from matcher.affinity.kinds import Halves, are_english
from matcher.encoder import halves_of
from matcher.evaluation.extras import extra
from matcher.evaluation.metrics import Places, by_chance, places_of, reciprocal_rank_by_chance
from matcher.evaluation.production import Production, Progress
from matcher.evaluation.suite import Suite

K1: Final = 1.5
B: Final = 0.75
"""The usual parameters of BM25 (Robertson and Zaragoza 2009; the defaults of bm25s)."""

THRESHOLD: Final = 0.3
BLOCK: Final = 256


@dataclass(frozen=True, slots=True)
class Chance:
    """The expected figures of a random order."""

    recall_at_1: float
    recall_at_5: float
    mrr_at_10: float


def chance(suite: Suite) -> Chance:
    """Return the expected figures over all orders of the roster, for the messages that have a right agent."""
    agents = len(suite.agents)
    right = [len(message.relevant) for message in suite.messages if message.relevant]

    def mean(values: Iterable[float]) -> float:
        return sum(values) / len(right) if right else math.nan

    return Chance(
        recall_at_1=mean(by_chance(agents, count, 1) for count in right),
        recall_at_5=mean(by_chance(agents, count, 5) for count in right),
        mrr_at_10=mean(reciprocal_rank_by_chance(agents, count) for count in right),
    )


def right_positions(suite: Suite) -> list[NDArray[np.int64]]:
    """Return the positions in the roster of each message's right agents."""
    position = {agent.id: number for number, agent in enumerate(suite.agents)}
    return [np.array(sorted(position[agent] for agent in message.relevant), np.int64) for message in suite.messages]


def word_search(suite: Suite) -> Places:
    """Rank by BM25 of the whole message over whole profiles, without stop words and with Snowball stems."""
    bm25s = extra("bm25s")

    stemmer = Stemmer.Stemmer("english")

    def words(texts: Sequence[str], *, as_ids: bool) -> Any:
        return bm25s.tokenize(texts, stopwords="en_plus", stemmer=stemmer, return_ids=as_ids, show_progress=False)

    engine = bm25s.BM25(k1=K1, b=B)
    engine.index(words(["\n".join(agent.interests) for agent in suite.agents], as_ids=True), show_progress=False)
    scores = np.zeros((len(suite.messages), len(suite.agents)), np.float32)
    for number, tokens in enumerate(words([message.text for message in suite.messages], as_ids=False)):
        token_ids = engine.get_tokens_ids(tokens)
        if token_ids:
            scores[number] = engine.get_scores_from_ids(token_ids)
    return places_of(scores, right_positions(suite))


async def one_vector(production: Production, suite: Suite, progress: Progress) -> Places:
    """Rank by the cosine of the whole message and the whole profile, one vector each."""
    profiles = ["\n".join(agent.interests) for agent in suite.agents]
    messages = [message.text for message in suite.messages]
    await production.encode([*profiles, *messages], f"{suite.name}: encoding as a whole", progress)
    stored = _stored(production.cache.vectors(profiles))
    # A negative cosine counts as found too, so all scores are raised above 0.
    scores = cosines(production.cache.vectors(messages), stored, halves_of(production.cache.encoder)) + 2.0
    return places_of(scores, right_positions(suite))


def evidence_alone(production: Production, suite: Suite) -> Places:
    """Rank by Σ over units of max(0, best cosine - 0.3), without a map and without words.

    Call it after `encode_suite`.
    """
    interests = [interest for agent in suite.agents for interest in agent.interests]
    with_interests = [number for number, agent in enumerate(suite.agents) if agent.interests]
    sizes = [len(suite.agents[number].interests) for number in with_interests]
    starts = np.cumsum([0, *sizes[:-1]])
    stored, halves = _stored(production.interest_vectors(interests)), halves_of(production.cache.encoder)
    scores = np.zeros((len(suite.messages), len(suite.agents)), np.float32)
    for number, message in enumerate(suite.messages):
        read = production.read(message.text)
        units = read.vectors[: len(read.vectors) - read.units.whole]
        if len(units) and interests:
            best = np.maximum.reduceat(cosines(units, stored, halves), starts, axis=1)
            scores[number, with_interests] = np.maximum(best - THRESHOLD, 0).sum(axis=0)
    return places_of(scores, right_positions(suite))


def cosines(some: NDArray[np.float32], others: NDArray[np.float32], halves: Halves | None) -> NDArray[np.float32]:
    """Return the cosines [some, others] of vectors, of a pair's by the halves that both have; halves: of a pair."""
    products = some @ others.T
    if halves is None:
        return products
    met = 1 + np.outer(are_english(some, halves), are_english(others, halves))
    return np.asarray(products / met, np.float32)


def _stored(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the vectors rounded to the precision in which the store keeps them."""
    return vectors.astype(np.float16).astype(np.float32)
