"""Fixtures of the evaluation: the service's code on the packaged model, and on a model with plain cosines."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from matcher.affinity.scorer import Scorer
from matcher.config import load
from matcher.encoder import EncoderStats, Priority, Vectors
from matcher.evaluation.production import Production, open_production
from matcher.evaluation.vector_cache import VectorCache
from matcher.replica.affinity_floors import AffinityFloors
from tests.processes import model_cache

WORDS: Final = ("sail", "bake", "chess", "garden", "opera", "judo", "knit", "surf")


class WordEncoder:
    """Encodes a text as the unit vector of its words, each an axis; one of two words has a cosine of 0.71."""

    fingerprint = "0" * 16
    dimension = len(WORDS)
    runtime = "words"
    reason = "cosines that a person can compute"

    async def encode(
        self,
        texts: Sequence[str],
        *,
        english: bool | None = None,  # noqa: ARG002
        priority: Priority = Priority.ROUTE,
    ) -> Vectors:
        """Encode texts."""
        assert priority is Priority.PROFILE
        held = np.array([[word in text.lower() for word in WORDS] for text in texts], np.float32)
        return np.asarray(held / np.maximum(np.linalg.norm(held, axis=1, keepdims=True), 1), np.float32)

    def stats(self) -> EncoderStats:
        """Return empty statistics."""
        return EncoderStats()

    async def close(self) -> None:
        """Close the encoder."""


@contextlib.contextmanager
def silent(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show no progress, but assert that the steps add up to the total."""
    done: list[str] = []
    yield lambda: done.append(label)
    assert len(done) == total


def write_suite(
    folder: Path, agents: Mapping[str, str], messages: Sequence[tuple[str, Sequence[str]]], **more: Any
) -> Path:
    """Write a suite: agents as id → interests, messages as (text, right agents); `more` goes into every agent."""
    folder.mkdir(parents=True, exist_ok=True)
    roster = [
        {"id": agent, "display_name": agent.title(), "interests": interests, **more}
        for agent, interests in agents.items()
    ]
    texts = [
        {"id": f"m{number}", "text": text, "relevant_agent_ids": list(right)}
        for number, (text, right) in enumerate(messages, start=1)
    ]
    for name, records in (("agents.jsonl", roster), ("messages.jsonl", texts)):
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return folder


@pytest.fixture
def plain() -> Production:
    """Return the service's code on plain cosines, without small talk, so that the floor is 0."""
    return Production(VectorCache(WordEncoder()), Scorer(), AffinityFloors({}), tolerance=0.03)


@pytest.fixture(scope="session")
async def serving() -> AsyncIterator[Production]:
    """Yield the service's code on the packaged model."""
    async with open_production(load({"MATCHER_MODEL_CACHE": str(model_cache())}), lambda _: None) as production:
        yield production
