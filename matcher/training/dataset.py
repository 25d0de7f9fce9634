"""Dataset: a suite as vectors, and the evidence and hits of a scorer on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.lexicon import Lexicon
from matcher.affinity.projection import projected, similarities
from matcher.affinity.scorer import Evidence, Floats, Scorer, Scores


@dataclass(frozen=True, slots=True)
class Dataset:
    """Hold a suite as vectors, in the order of its agents and messages."""

    name: str
    agents: int
    interests: Floats
    """[interests, dimension], unit vectors."""
    owner: NDArray[np.int64]
    """[interests]: the agent of each, ascending."""
    interest_stems: Sequence[Sequence[str]]
    units: Floats
    """[units, dimension], unit vectors."""
    message: NDArray[np.int64]
    """[units]: the message of each, ascending."""
    unit_stems: Sequence[Sequence[str]]
    relevant: NDArray[np.bool_]
    """[messages, agents]: whether the agent is right for the message."""
    person: Sequence[str]
    """[agents]: the person of each; all messages about a person are in one fold."""
    whole: NDArray[np.bool_] | None = None
    """[units]: whether the unit is its message as a whole; None: none is."""

    def of_messages(self, messages: NDArray[np.bool_]) -> Dataset:
        """Return the dataset with the units of these messages alone, a mask [messages]; numbers stay."""
        kept = np.flatnonzero(messages[self.message])
        return replace(
            self,
            units=self.units[kept],
            message=self.message[kept],
            unit_stems=[self.unit_stems[at] for at in kept.tolist()],
            whole=None if self.whole is None else self.whole[kept],
        )


def evidence_of(dataset: Dataset, scorer: Scorer) -> Evidence:
    """Compare all units with all interests; `agent` counts message * agents + agent, `unit` over all messages."""
    lexicon = Lexicon()
    handles = np.array([lexicon.add(stems) for stems in dataset.interest_stems], np.int64)
    held = np.bincount(dataset.owner, minlength=dataset.agents)
    place = np.arange(len(dataset.owner)) - np.searchsorted(dataset.owner, dataset.owner)
    interests, units = projected(scorer, dataset.interests), projected(scorer, dataset.units)
    blocks: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats, NDArray[np.bool_]]] = []
    for low in range(0, max(len(dataset.units), 1), 256):
        cosine, both = similarities(units.rows(slice(low, low + 256)), interests)
        if both is not None:
            cosine = scorer.values(cosine, both)
        unit, row = np.nonzero(cosine > scorer.threshold)
        blocks.append((unit + low, row, cosine[unit, row], both[unit, row] if both is not None else unit >= 0))
    unit, row = (np.concatenate([block[at] for block in blocks]) for at in (0, 1))
    owner = dataset.owner[row]
    return Evidence(
        unit=unit,
        agent=dataset.message[unit] * dataset.agents + owner,
        interest=place[row],
        cosine=np.concatenate([block[2] for block in blocks]),
        lexical=lexicon.shared(dataset.unit_stems, unit, handles[row]) * np.concatenate([block[3] for block in blocks]),
        held=held[owner],
    )


def scores_of(dataset: Dataset, scorer: Scorer, evidence: Evidence) -> Scores:
    """Score the evidence of a dataset, with the scorer's weight of messages as a whole."""
    if dataset.whole is None:
        return scorer.score(evidence)
    weight = np.where(dataset.whole[evidence.unit], scorer.whole, 1.0).astype(np.float32)
    return scorer.score(evidence, weight)


def hits_of(dataset: Dataset, scorer: Scorer) -> NDArray[np.bool_]:
    """Tell of each message [messages] whether the agent with the highest score is right."""
    scores = scores_of(dataset, scorer, evidence_of(dataset, scorer))
    hits = np.zeros(len(dataset.relevant), np.bool_)
    for number, span, agents in per_message(dataset, scores):
        if len(agents):
            hits[number] = dataset.relevant[number, agents[scores.score[span].argmax()]]
    return hits


def per_message(dataset: Dataset, scores: Scores) -> Iterator[tuple[int, slice, NDArray[np.int64]]]:
    """Yield each message's number, the slice of its agents in the scores, and those agents."""
    message = scores.agent // dataset.agents
    cuts = np.searchsorted(message, np.arange(len(dataset.relevant) + 1)).tolist()
    for number in range(len(dataset.relevant)):
        span = slice(cuts[number], cuts[number + 1])
        yield number, span, scores.agent[span] % dataset.agents
