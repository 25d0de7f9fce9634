"""The data of the benchmarks: a suite's messages and interests, and rosters of any size made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.sizes import ROOT
from matcher.affinity.kinds import Halves
from matcher.affinity.scorer import Scorer
from matcher.affinity.scorer_file import load_scorer
from matcher.encoder import Encoder, EncoderSettings, Priority, halves_of, open_encoder
from matcher.evaluation.suite import read_suite
from matcher.model import Agent, Profile
from matcher.model.lifecycle import AgentStatus

Floats = NDArray[np.float32]

INTERESTS = 5
NEARNESS = 0.9
"""The mean cosine of a generated vector with the vector of the real interest it was made from."""
SEED = 7


@dataclass(frozen=True, slots=True, repr=False)
class Material:
    """Distinct messages and interests (`lines`), as people wrote them."""

    messages: tuple[str, ...]
    lines: tuple[str, ...]


def read_material(suite: Path) -> Material:
    """Return a suite's texts; raise SuiteWrong."""
    parsed = read_suite(suite)
    lines = dict.fromkeys(line for agent in parsed.agents for line in agent.interests)
    return Material(tuple(dict.fromkeys(message.text for message in parsed.messages)), tuple(lines))


def unique(messages: Sequence[str], number: int) -> str:
    """Return message `number` of an endless sequence without repeats.

    After the last message the sequence starts again with wider gaps between the words, which is another text with the
    same tokens, and so of the same cost.
    """
    rounds, position = divmod(number, len(messages))
    return (messages[position] + " ").replace(" ", " " * (1 + rounds))


async def open_packaged_encoder() -> Encoder:
    """Open the encoder as the service does, with the Makefile's cache of compiled models."""
    return await open_encoder(EncoderSettings(cache_dir=ROOT / "build" / "models"), lambda _: None)


def serving_scorer(encoder: Encoder) -> Scorer:
    """Return the scorer that the service uses with this model."""
    return load_scorer("packaged", encoder.fingerprint, halves_of(encoder))[0]


async def encode(encoder: Encoder, texts: Sequence[str]) -> Floats:
    """Return the vectors [texts, dimension] of many texts, encoded in calls that fit into the encoder's queue."""
    parts = [await encoder.encode(texts[at : at + 256], priority=Priority.PROFILE) for at in range(0, len(texts), 256)]
    return np.concatenate(parts)


@dataclass(frozen=True, slots=True, repr=False)
class Roster:
    """Agents with their interests (`lines`) and the stored unit vectors [agents, interests, dimension]."""

    ids: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    vectors: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def agent(self, number: int, *, online: bool) -> Agent:
        """Return an agent in the form of the index, with a capacity of one contact."""
        status = AgentStatus.ONLINE if online else AgentStatus.OFFLINE
        return Agent(self.ids[number], self.profile(number), status, 1, 1, 0, 0, idle_since_ms=1 + number)

    def profile(self, number: int) -> Profile:
        """Return the profile of an agent."""
        return Profile(self.ids[number], self.lines[number])


def make_roster(
    material: Material, vectors: Floats, agents: int, interests: int = INTERESTS, halves: Halves | None = None
) -> Roster:
    """Return a roster of any size from real interests, whose vectors are rotated a little so that all are distinct.

    vectors: [lines, dimension] of the material's interests; halves: of the vectors of a pair, each rotated by itself.
    """
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(len(material.lines), size=(agents, interests))
    rotated = vectors[drawn]
    for at in range(0, agents, 4096):
        start = 0
        for length in halves or (vectors.shape[1],):
            block = rotated[at : at + 4096, :, start : start + length]
            there = block.any(axis=2, keepdims=True)  # a text that is not English has no first half
            spread = np.float32(np.sqrt((1 / NEARNESS**2 - 1) / length))
            block += there * spread * rng.standard_normal(block.shape, dtype=np.float32)
            block /= np.where(there, np.linalg.norm(block, axis=2, keepdims=True), np.float32(1.0))
            start += length
    rotated = rotated.astype(np.float16).astype(np.float32)
    lines = tuple(tuple(material.lines[line] for line in row) for row in drawn.tolist())
    return Roster(tuple(f"a{number:06d}" for number in range(agents)), lines, rotated)
