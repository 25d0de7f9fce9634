"""The encoder against SentenceTransformer.encode: its speed, its agreement, and its independence of the batch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final

import numpy as np

from benchmarks.alone import run_alone, say
from benchmarks.material import Floats, encode, open_packaged_encoder, read_material, serving_scorer, unique
from benchmarks.sizes import Sizes
from benchmarks.slices import Figures, a_a, estimate, interleave, ratio
from matcher.affinity.lexicon import stems
from matcher.affinity.scorer import Scorer
from matcher.affinity.sentences import split
from matcher.encoder import Encoder
from matcher.encoder.model_source import find_model
from matcher.encoder.settings import PACKAGED_MODEL
from matcher.evaluation.suite import Suite, SuiteMessage, read_suite
from matcher.index import Query, SiteIndex
from matcher.model import Agent, Profile, Requirements
from matcher.model.lifecycle import AgentStatus

MARGIN: Final = 0.03
"""The margin above which fp32's first agent counts as certain."""
AT_ONCE: Final = 64
LARGEST_BATCH: Final = 32
SEED: Final = 11

VectorsByText = Mapping[str, Floats]


async def measure(sizes: Sizes) -> Figures:
    """Measure the encoder: its speed, its agreement with fp32, and whether a batch changes a result."""
    from sentence_transformers import SentenceTransformer  # imported here, because the import takes seconds

    original = SentenceTransformer(str(find_model(PACKAGED_MODEL).path), device="cpu")
    encoder = await open_packaged_encoder()
    try:
        figures = await _speed(sizes, encoder, original)
        figures |= await _agreement(sizes, encoder, original)
    finally:
        await encoder.close()
    return figures


async def _speed(sizes: Sizes, encoder: Encoder, original: Any) -> Figures:
    """Compare the messages a second: ours by units with many callers, the original by whole messages one by one."""
    messages = read_material(sizes.suite).messages
    numbers = count()

    async def ours() -> float:
        texts = [unique(messages, next(numbers)) for _ in range(sizes.encoder_messages)]
        texts_left = iter(texts)

        async def caller() -> None:
            for text in texts_left:
                await encoder.encode(split(text).texts(text))

        start = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        return (time.perf_counter() - start) / len(texts)

    async def theirs() -> float:
        texts = [unique(messages, next(numbers)) for _ in range(max(1, sizes.encoder_messages // 10))]
        start = time.perf_counter()
        for text in texts:
            original.encode(text, show_progress_bar=False)
        return (time.perf_counter() - start) / len(texts)

    say("encoder: speed")
    await ours()
    await theirs()
    costs = await interleave({"ours": ours, "theirs": theirs, "again": ours}, sizes.pairs)
    return {
        "encoder_runtime": encoder.runtime,
        **ratio(costs["theirs"], costs["ours"]).figures("encoder_batched_over_naive"),
        "encoder_messages_per_second": 1 / estimate(costs["ours"]).median,
        "encoder_naive_messages_per_second": 1 / estimate(costs["theirs"]).median,
        **a_a("encoder", costs["ours"], costs["again"]),
    }


async def _agreement(sizes: Sizes, encoder: Encoder, original: Any) -> Figures:
    loss: list[float] = []
    certain_count = agreed = 0
    figures: Figures = {}
    scorer = serving_scorer(encoder)
    suites = sorted(folder for folder in sizes.suite.parent.iterdir() if (folder / "messages.jsonl").is_file())
    for folder in suites:
        suite = read_suite(folder)
        messages = _some(suite.messages, sizes.suite_messages)
        say(f"encoder: {len(messages)} messages of {folder.name} by fp32 and by {encoder.runtime}")
        texts = sorted(
            {line for agent in suite.agents for line in agent.interests}
            | {text for message in messages for text in split(message.text).texts(message.text)}
        )
        exact = dict(zip(texts, _original_vectors(original, texts), strict=True))
        ours = dict(zip(texts, await encode(encoder, texts), strict=True))
        first, second = _tops(suite, messages, exact, scorer), _tops(suite, messages, ours, scorer)
        pairs = list(zip(messages, first, second, strict=True))
        answerable = [pair for pair in pairs if pair[0].relevant]
        lost = sum(
            (by_fp32[0] in message.relevant) - (by_ours[0] in message.relevant)
            for message, by_fp32, by_ours in answerable
        )
        points = 100 * lost / len(answerable)
        loss.append(points)
        certain = [(by_fp32, by_ours) for _, by_fp32, by_ours in pairs if by_fp32[1] > MARGIN]
        certain_count += len(certain)
        same = sum(by_fp32[0] == by_ours[0] for by_fp32, by_ours in certain)
        agreed += same
        figures[f"encoder_recall_loss_points_{folder.name}"] = points
        figures[f"encoder_agreement_{folder.name}"] = same / len(certain) if certain else None
        if folder == sizes.suite:
            figures |= await _invariance(sizes, encoder, suite, messages, ours)
    return {
        "encoder_recall_loss_points": max(loss),
        "encoder_agreement": agreed / certain_count if certain_count else None,
        "encoder_agreement_messages": certain_count,
        **figures,
    }


async def _invariance(
    sizes: Sizes, encoder: Encoder, suite: Suite, messages: Sequence[SuiteMessage], vectors_by_text: VectorsByText
) -> Figures:
    """Encode messages in random batches, some with a long text, and check whether a message gets another agent.

    `encoder_batch_invariance` is the share of batches in which no message did whose margin, encoded alone, exceeds
    0.03.
    """
    say(f"encoder: {sizes.invariance_batches} random batches")
    alone_vectors = dict(vectors_by_text)
    for message in messages:
        for text in split(message.text).texts(message.text):
            alone_vectors[text] = (await encoder.encode([text]))[0]
    scorer = serving_scorer(encoder)
    alone = _tops(suite, messages, alone_vectors, scorer)
    sure = [(message, top) for message, top in zip(messages, alone, strict=True) if top[1] > MARGIN]
    if not sure:
        return {"encoder_batch_invariance": None, "encoder_batch_invariance_batches": 0}
    ranker = _Ranker(suite, vectors_by_text, scorer)
    rng = np.random.default_rng(SEED)
    same, changed = 0, 0
    for _ in range(sizes.invariance_batches):
        chosen = [sure[at] for at in rng.integers(len(sure), size=int(rng.integers(1, LARGEST_BATCH + 1)))]
        long_text = " ".join(messages[at].text for at in rng.integers(len(messages), size=int(rng.integers(0, 9))))
        calls = [split(message.text).texts(message.text) for message, _ in chosen]
        together = await asyncio.gather(*map(encoder.encode, calls), encoder.encode([long_text] if long_text else []))
        is_same = True
        for (message, (agent, _)), texts, vectors in zip(chosen, calls, together, strict=False):
            if not np.array_equal(vectors, np.stack([alone_vectors[text] for text in texts])):
                changed += 1
                is_same &= ranker.top(message.text, dict(zip(texts, vectors, strict=True)))[0] == agent
        same += is_same
    return {
        "encoder_batch_invariance": same / sizes.invariance_batches,
        "encoder_batch_invariance_batches": sizes.invariance_batches,
        "encoder_batch_invariance_vectors_moved": changed,
    }


class _Ranker:
    """Finds the top agent of a suite for a message by given vectors, with the service's index and scorer."""

    def __init__(self, suite: Suite, vectors: VectorsByText, scorer: Scorer) -> None:
        dimension = len(next(iter(vectors.values())))
        self._index = SiteIndex(scorer, dimension)
        for agent in suite.agents:
            profile = Profile(agent.display_name, agent.interests)
            indexed = Agent(agent.id, profile, AgentStatus.ONLINE, 1, 1, 0, 0, idle_since_ms=1)
            self._index.put(indexed, np.stack([vectors[line] for line in agent.interests]))

    def top(self, text: str, vectors: VectorsByText) -> tuple[str, float]:
        """Return the best agent's id, "" for none, and the margin of its score to the next agent's."""
        units = split(text).texts(text)
        query = Query(np.stack([vectors[unit] for unit in units]), [*map(stems, units)])
        result = self._index.find(query, Requirements())
        scores = result.scores.score
        if not len(scores):
            return "", 0.0
        best = int(np.argmax(scores))
        others = np.delete(scores, best).max(initial=0.0)
        return str(result.agents[best].id), float(scores[best] - others)


def _tops(
    suite: Suite, messages: Sequence[SuiteMessage], vectors: VectorsByText, scorer: Scorer
) -> list[tuple[str, float]]:
    ranker = _Ranker(suite, vectors, scorer)
    return [ranker.top(message.text, vectors) for message in messages]


def _original_vectors(original: Any, texts: Sequence[str]) -> Floats:
    vectors = original.encode(list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors, np.float32)


def _some(messages: Sequence[SuiteMessage], most: int) -> list[SuiteMessage]:
    """Return at most `most` messages, spread evenly over a suite."""
    step = max(1, len(messages) // most)
    return list(messages[::step])[:most]


if __name__ == "__main__":
    run_alone(measure)
