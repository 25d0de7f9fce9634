"""What a suite is evaluated with: the code that serves, on the packaged model or on one whose cosines are plain."""

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
from matcher.evaluation import Production, open_production
from matcher.evaluation.vector_cache import KnownTexts
from matcher.replica.affinity_floors import AffinityFloors
from tests.processes import model_cache

WORDS: Final = ("sail", "bake", "chess", "garden", "opera", "judo", "knit", "surf")


class WordEncoder:
    """Gives a text the unit vector of the words it holds, each an axis of its own: two words share a cosine of 0.71."""

    fingerprint = "0" * 16
    dimension = len(WORDS)
    runtime = "words"
    reason = "cosines that a person can compute"

    async def encode(self, texts: Sequence[str], *, priority: Priority = Priority.ROUTE) -> Vectors:
        """Encode texts."""
        assert priority is Priority.PROFILE
        held = np.array([[word in text.lower() for word in WORDS] for text in texts], np.float32)
        return np.asarray(held / np.maximum(np.linalg.norm(held, axis=1, keepdims=True), 1), np.float32)

    def stats(self) -> EncoderStats:
        """Return nothing counted."""
        return EncoderStats()

    async def close(self) -> None:
        """Stop."""


@contextlib.contextmanager
def silent(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show no progress, but hold it to its total."""
    done: list[str] = []
    yield lambda: done.append(label)
    assert len(done) == total


def write_suite(
    folder: Path, agents: Mapping[str, str], messages: Sequence[tuple[str, Sequence[str]]], **more: Any
) -> Path:
    """Write a suite: agents as id → interests, messages as (text, who is right); `more` goes into every agent."""
    folder.mkdir(parents=True, exist_ok=True)
    roster = [{"id": one, "display_name": one.title(), "interests": said, **more} for one, said in agents.items()]
    texts = [
        {"id": f"m{number}", "text": text, "relevant_agent_ids": list(right)}
        for number, (text, right) in enumerate(messages, start=1)
    ]
    for name, records in (("agents.jsonl", roster), ("messages.jsonl", texts)):
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return folder


@pytest.fixture
def plain() -> Production:
    """Give the code that serves on plain cosines, with no small talk, so that the floor is 0."""
    return Production(KnownTexts(WordEncoder()), Scorer(), AffinityFloors([]), tolerance=0.03)


@pytest.fixture(scope="session")
async def serving() -> AsyncIterator[Production]:
    """Give the code that serves on the packaged model."""
    async with open_production(load({"MATCHER_MODEL_CACHE": str(model_cache())}), lambda _: None) as production:
        yield production
