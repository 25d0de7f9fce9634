"""What is measured on: messages and lines of interest of a suite, and rosters of any size made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.sizes import ROOT
from matcher.affinity.scorer import Scorer
from matcher.affinity.scorer_file import load_scorer
from matcher.encoder import Encoder, EncoderSettings, Priority, open_encoder
from matcher.evaluation.suite import read_suite
from matcher.model import Agent, Profile
from matcher.model.lifecycle import AgentStatus

Floats = NDArray[np.float32]

INTERESTS = 5
NEARNESS = 0.9
"""The cosine of a made line's vector with that of the real line it was made of, on average."""
SEED = 7


@dataclass(frozen=True, slots=True, repr=False)
class Material:
    """Distinct messages and lines of interest, as people wrote them."""

    messages: tuple[str, ...]
    lines: tuple[str, ...]


def read_material(suite: Path) -> Material:
    """Read a suite's texts. Raises SuiteWrong."""
    read = read_suite(suite)
    lines = dict.fromkeys(line for agent in read.agents for line in agent.interests)
    return Material(tuple(dict.fromkeys(message.text for message in read.messages)), tuple(lines))


def unique(messages: Sequence[str], number: int) -> str:
    """Return message `number` of an endless row without repeats.

    Beyond the first round the gaps between the words grow: another text with the same tokens, so of the same cost.
    """
    rounds, place = divmod(number, len(messages))
    return (messages[place] + " ").replace(" ", " " * (1 + rounds))


async def open_packaged_encoder() -> Encoder:
    """Open the encoder as the service does, with the cache of compiled models that make uses."""
    return await open_encoder(EncoderSettings(cache_dir=ROOT / "build" / "models"), lambda _: None)


def serving_scorer(encoder: Encoder) -> Scorer:
    """Return the scorer that the service uses with this model."""
    return load_scorer("packaged", encoder.fingerprint)[0]


async def encode(encoder: Encoder, texts: Sequence[str]) -> Floats:
    """Encode many texts, in calls that the queue has room for; [texts, dimension]."""
    parts = [await encoder.encode(texts[at : at + 256], priority=Priority.PROFILE) for at in range(0, len(texts), 256)]
    return np.concatenate(parts)


@dataclass(frozen=True, slots=True, repr=False)
class Roster:
    """Agents with vectors [agents, interests, dimension], unit length, as the store keeps them; `lines` by agent."""

    ids: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    vectors: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def agent(self, number: int, *, online: bool) -> Agent:
        """Return an agent as a replica knows them, with a capacity of one contact."""
        status = AgentStatus.ONLINE if online else AgentStatus.OFFLINE
        return Agent(self.ids[number], self.profile(number), status, 1, 1, 0, 0, idle_since_ms=1 + number)

    def profile(self, number: int) -> Profile:
        """Return what is written about an agent."""
        return Profile(self.ids[number], self.lines[number])


def make_roster(material: Material, vectors: Floats, agents: int, interests: int = INTERESTS) -> Roster:
    """Make a roster of any size out of real lines: each drawn line's vector is turned a little, so none is twice.

    vectors: [lines, dimension] of the material's lines.
    """
    chance = np.random.default_rng(SEED)
    drawn = chance.integers(len(material.lines), size=(agents, interests))
    made = vectors[drawn]
    spread = np.float32(np.sqrt((1 / NEARNESS**2 - 1) / vectors.shape[1]))
    for at in range(0, agents, 4096):
        part = made[at : at + 4096]
        part += spread * chance.standard_normal(part.shape, dtype=np.float32)
        part /= np.linalg.norm(part, axis=2, keepdims=True)
    made = made.astype(np.float16).astype(np.float32)
    lines = tuple(tuple(material.lines[line] for line in row) for row in drawn.tolist())
    return Roster(tuple(f"a{number:06d}" for number in range(agents)), lines, made)
