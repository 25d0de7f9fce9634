"""A lesson: a suite as vectors, and what a scorer makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.lexicon import Lexicon
from matcher.affinity.scorer import Evidence, Floats, Scorer, Scores


@dataclass(frozen=True, slots=True)
class Dataset:
    """Hold a suite as vectors, in the order of its agents and messages."""

    name: str
    agents: int
    interests: Floats
    """[interests, dimension], unit vectors."""
    owner: NDArray[np.int64]
    """[interests]: whose each is, ascending."""
    interest_stems: Sequence[Sequence[str]]
    units: Floats
    """[units, dimension], unit vectors."""
    message: NDArray[np.int64]
    """[units]: of which message each is, ascending."""
    unit_stems: Sequence[Sequence[str]]
    relevant: NDArray[np.bool_]
    """[messages, agents]: who is right."""
    person: Sequence[str]
    """[agents]: who they are; a fold holds all messages about a person."""

    def asking(self, messages: NDArray[np.bool_]) -> Dataset:
        """Return the lesson with the units of these messages [messages] alone, numbered as before."""
        kept = np.flatnonzero(messages[self.message])
        return replace(
            self,
            units=self.units[kept],
            message=self.message[kept],
            unit_stems=[self.unit_stems[at] for at in kept.tolist()],
        )

    def beside(self, units: Floats, message: NDArray[np.int64], unit_stems: Sequence[Sequence[str]]) -> Dataset:
        """Return the lesson with more units [n, dimension], each of the message [n] it is said in."""
        order = np.argsort(np.concatenate([self.message, message]), kind="stable")
        stems = [*self.unit_stems, *unit_stems]
        return replace(
            self,
            units=np.concatenate([self.units, units])[order],
            message=np.concatenate([self.message, message])[order],
            unit_stems=[stems[at] for at in order.tolist()],
        )


def evidence_of(lesson: Dataset, scorer: Scorer) -> Evidence:
    """Compare everything with everything; `agent` counts message * agents + agent, `unit` over all messages."""
    lexicon = Lexicon()
    handles = np.array([lexicon.add(stems) for stems in lesson.interest_stems], np.int64)
    held = np.bincount(lesson.owner, minlength=lesson.agents)
    place = np.arange(len(lesson.owner)) - np.searchsorted(lesson.owner, lesson.owner)
    interests, parts = scorer.project(lesson.interests), scorer.project(lesson.units)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]] = []
    for low in range(0, max(len(parts), 1), 256):
        cosine = parts[low : low + 256] @ interests.T
        unit, row = np.nonzero(cosine > scorer.threshold)
        found.append((unit + low, row, cosine[unit, row]))
    unit, row = (np.concatenate([one[at] for one in found]) for at in (0, 1))
    owner = lesson.owner[row]
    return Evidence(
        unit=unit,
        agent=lesson.message[unit] * lesson.agents + owner,
        interest=place[row],
        cosine=np.concatenate([one[2] for one in found]),
        lexical=lexicon.shared(lesson.unit_stems, unit, handles[row]),
        held=held[owner],
    )


def hits_of(lesson: Dataset, scorer: Scorer) -> NDArray[np.bool_]:
    """Tell of each message [messages] whether the agent with the highest score is right."""
    scores = scorer.score(evidence_of(lesson, scorer))
    hits = np.zeros(len(lesson.relevant), np.bool_)
    for number, span, agents in per_message(lesson, scores):
        if len(agents):
            hits[number] = lesson.relevant[number, agents[scores.score[span].argmax()]]
    return hits


def per_message(lesson: Dataset, scores: Scores) -> Iterator[tuple[int, slice, NDArray[np.int64]]]:
    """Yield each message, where its agents lie in the scores, and who they are."""
    message = scores.agent // lesson.agents
    cuts = np.searchsorted(message, np.arange(len(lesson.relevant) + 1)).tolist()
    for number in range(len(lesson.relevant)):
        span = slice(cuts[number], cuts[number + 1])
        yield number, span, scores.agent[span] % lesson.agents
