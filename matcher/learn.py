"""Learn a scorer from suites: a linear map, its threshold, and what the margins are worth.

The map whitens a little: with C the second moment of the suites' vectors, M = C^-a for a small a. What all texts
have in common then counts less, what tells them apart more; no label takes part. With labels, W is the second
moment of the differences between units and the interest they met in a right agent, and M = W^-a C^-b: directions in
which right pairs differ count less (relevant component analysis: Bar-Hillel et al. 2003). Which of the family is
taken, and with which threshold, is decided by recall on agents that took no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from matcher.confidence import FEATURES, Calibration, features
from matcher.lexicon import Lexicon
from matcher.scorer import Evidence, Floats, Scorer, Scores

RIDGE: Final = 0.05
"""Added to the eigenvalues over their mean, so that directions without data stay as they are."""

CLEAR: Final = 0.35
"""Cosine from which a unit and an interest of a right agent are taken to say the same."""

RIVALS: Final = (0.0, 0.3, 0.1)
"""Shares of the agents left free, besides all of them, when confidence is learned; 0 stands for everybody."""


@dataclass(frozen=True, slots=True)
class Lesson:
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

    def asking(self, messages: NDArray[np.bool_]) -> Lesson:
        """Return the lesson with the units of these messages [messages] alone, numbered as before."""
        kept = np.flatnonzero(messages[self.message])
        return replace(
            self,
            units=self.units[kept],
            message=self.message[kept],
            unit_stems=[self.unit_stems[at] for at in kept.tolist()],
        )

    def beside(self, units: Floats, message: NDArray[np.int64], unit_stems: Sequence[Sequence[str]]) -> Lesson:
        """Return the lesson with more units [n, dimension], each of the message [n] it is said in."""
        order = np.argsort(np.concatenate([self.message, message]), kind="stable")
        stems = [*self.unit_stems, *unit_stems]
        return replace(
            self,
            units=np.concatenate([self.units, units])[order],
            message=np.concatenate([self.message, message])[order],
            unit_stems=[stems[at] for at in order.tolist()],
        )


@dataclass(frozen=True, slots=True)
class Taste:
    """Name a member of the family of maps, and a threshold."""

    common: float
    """Power by which what texts have in common counts less."""
    within: float
    """Power by which what right pairs differ in counts less."""
    threshold: float

    @property
    def mapped(self) -> bool:
        """Tell whether there is a map at all."""
        return bool(self.common or self.within)


TASTES: Final = (
    Taste(0.0, 0.0, 0.3),
    Taste(0.10, 0.0, 0.23),
    Taste(0.15, 0.0, 0.22),
    Taste(0.20, 0.0, 0.20),
    Taste(0.10, 0.15, 0.20),
    Taste(0.05, 0.20, 0.22),
)


@dataclass(frozen=True, slots=True)
class Report:
    """Hold what learning found, as fractions: recall at 1 on agents that took no part, beside the scorer before."""

    recall: dict[str, float]
    before: dict[str, float]
    error: dict[str, float]
    """Expected calibration error over ten bins, on agents that took no part."""
    taste: Taste
    compared: dict[Taste, dict[str, float]]
    """The recall of each member of the family, likewise."""

    @property
    def better(self) -> bool:
        """Tell whether the mean recall over the suites is higher than before."""
        return sum(self.recall.values()) > sum(self.before.values())


def learn(
    lessons: Sequence[Lesson],
    before: Scorer,
    *,
    margins: Sequence[Lesson] = (),
    folds: int = 5,
    told: Callable[[str, float], None] = lambda *_: None,
) -> tuple[Scorer, Report]:
    """Learn a scorer from lessons of one model, and say what it is worth on agents that took no part in it.

    before: the scorer it must beat; margins: further lessons that only the confidence is learned from; told: called
    with each step's name and the share that is done.
    The caller keeps the scorer only if `Report.better`. Raises ValueError without lessons or with one fold.
    """
    if not lessons or folds < 2:
        raise ValueError("learning takes at least one suite and two folds")
    held_out = [_folds(lesson, folds) for lesson in lessons]
    hits: dict[Taste, list[NDArray[np.float64]]] = {}
    for number, taste in enumerate(TASTES):
        told("comparing maps", number / len(TASTES))
        hits[taste] = [np.full(len(lesson.relevant), np.nan) for lesson in lessons]
        for fold in range(folds) if taste.mapped else [-1]:
            scorer = _scorer(lessons, [of != fold for of in held_out], taste)
            for lesson, of, found in zip(lessons, held_out, hits[taste], strict=True):
                judged = (of == fold) if taste.mapped else np.ones(len(of), np.bool_)
                found[judged] = hits_of(lesson.asking(judged), scorer)[judged]
    # Each fold's choice is made on the others, so that the recall told is that of the choosing too.
    chosen = [_best(hits, [of != fold for of in held_out]) for fold in range(folds)]
    taste = _best(hits, [np.ones(len(of), np.bool_) for of in held_out])
    recall = {}
    for at, (lesson, of) in enumerate(zip(lessons, held_out, strict=True)):
        recall[lesson.name] = float(np.mean([hits[chosen[fold]][at][number] for number, fold in enumerate(of)]))
    told("calibrating", 0.9)
    scorer = _scorer(lessons, [np.ones(len(of), np.bool_) for of in held_out], taste)
    further = [_folds(lesson, folds) for lesson in margins]
    calibration, error = calibrate([*lessons, *margins], scorer, [*held_out, *further], folds)
    report = Report(
        recall=recall,
        before={lesson.name: float(hits_of(lesson, before).mean()) for lesson in lessons},
        error=error,
        taste=taste,
        compared={
            one: {lesson.name: float(found.mean()) for lesson, found in zip(lessons, hits[one], strict=True)}
            for one in hits
        },
    )
    told("done", 1.0)
    return replace(scorer, calibration=calibration), report


def calibrate(
    lessons: Sequence[Lesson], scorer: Scorer, held_out: Sequence[NDArray[np.int64]], folds: int
) -> tuple[Calibration, dict[str, float]]:
    """Fit one logistic function for all lessons, and tell its error on the agents of the other folds."""
    told: list[tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64], float]] = []
    spans: dict[str, slice] = {}
    rows = 0
    for lesson, of in zip(lessons, held_out, strict=True):
        evidence = evidence_of(lesson, scorer)
        for share in RIVALS:
            known, right = _margins(lesson, scorer, evidence, share)
            told.append((known, right, of, 1 / len(right)))
            if not share:
                spans[lesson.name] = slice(rows, rows + len(right))
            rows += len(right)
    known = np.concatenate([one[0] for one in told])
    right = np.concatenate([one[1] for one in told])
    fold = np.concatenate([one[2] for one in told])
    weight = np.concatenate([np.full(len(one[1]), one[3]) for one in told])
    sure = np.zeros(len(right))
    for number in range(folds):
        away = fold == number
        fitted = _logistic(known[~away], right[~away], weight[~away])
        sure[away] = 1 / (1 + np.exp(-known[away] @ fitted))
    error = {name: calibration_error(sure[span], right[span]) for name, span in spans.items()}
    return Calibration(tuple(float(one) for one in _logistic(known, right, weight))), error


def calibration_error(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over ten bins of equal width."""
    bins = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs(sure[bins == at].mean() - right[bins == at].mean()) * (bins == at).mean() for at in np.unique(bins)]
    return float(sum(gaps))


def evidence_of(lesson: Lesson, scorer: Scorer) -> Evidence:
    """Compare everything with everything; `agent` counts message * agents + agent, `unit` over all messages."""
    lexicon = Lexicon()
    handles = np.array([lexicon.add(stems) for stems in lesson.interest_stems], np.int64)
    held = np.bincount(lesson.owner, minlength=lesson.agents)
    place = np.arange(len(lesson.owner)) - np.searchsorted(lesson.owner, lesson.owner)
    interests, parts = scorer.project(lesson.interests), scorer.project(lesson.units)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]] = []
    for low in range(0, len(parts), 256):
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


def hits_of(lesson: Lesson, scorer: Scorer) -> NDArray[np.bool_]:
    """Tell of each message [messages] whether the agent with the highest score is right."""
    scores = scorer.score(evidence_of(lesson, scorer))
    hits = np.zeros(len(lesson.relevant), np.bool_)
    for number, span, agents in _per_message(lesson, scores):
        if len(agents):
            hits[number] = lesson.relevant[number, agents[scores.score[span].argmax()]]
    return hits


def _scorer(lessons: Sequence[Lesson], taken: Sequence[NDArray[np.bool_]], taste: Taste) -> Scorer:
    scorer = Scorer(threshold=taste.threshold)
    if not taste.mapped:
        return scorer
    linear = np.eye(lessons[0].interests.shape[1])
    if taste.within:
        linear = linear @ _power(_differences(lessons, taken), taste.within)
    if taste.common:
        texts = []
        for lesson, messages in zip(lessons, taken, strict=True):
            away = np.any(lesson.relevant[~messages], axis=0, keepdims=False).reshape(-1)
            texts += [lesson.interests[~away[lesson.owner]], lesson.units[messages[lesson.message]]]
        linear = linear @ _power(np.concatenate(texts), taste.common)
    linear *= np.sqrt(len(linear) / np.sum(linear * linear))
    # Kept at 16 bits in the file: what is judged is what is kept.
    return replace(scorer, map=linear.astype(np.float16).astype(np.float32))


def _power(vectors: Floats, power: float) -> NDArray[np.float64]:
    """Return C^-power of the second moment C of vectors, over its mean eigenvalue and with a ridge."""
    wide = vectors.astype(np.float64)
    values, axes = np.linalg.eigh(wide.T @ wide / len(wide))
    scale = (values / values.mean() + RIDGE) ** -power
    return np.asarray((axes * scale) @ axes.T, np.float64)


def _differences(lessons: Sequence[Lesson], taken: Sequence[NDArray[np.bool_]]) -> Floats:
    found = [np.zeros((0, lessons[0].interests.shape[1]), np.float32)]
    for lesson, messages in zip(lessons, taken, strict=True):
        for low in range(0, len(lesson.units), 256):
            units = np.arange(low, min(low + 256, len(lesson.units)))
            units = units[messages[lesson.message[units]]]
            cosine = lesson.units[units] @ lesson.interests.T
            cosine[~lesson.relevant[lesson.message[units]][:, lesson.owner]] = -1
            best = cosine.argmax(axis=1)
            clear = cosine[np.arange(len(units)), best] > CLEAR
            found.append(lesson.units[units[clear]] - lesson.interests[best[clear]])
    return np.concatenate(found)


def _folds(lesson: Lesson, folds: int) -> NDArray[np.int64]:
    """Put each message in a fold by whom it is about, the same in every suite and run."""
    about = [min((lesson.person[at] for at in np.flatnonzero(row).tolist()), default="") for row in lesson.relevant]
    return np.array([crc32(person.encode()) % folds for person in about], np.int64)


def _per_message(lesson: Lesson, scores: Scores) -> Iterator[tuple[int, slice, NDArray[np.int64]]]:
    message = scores.agent // lesson.agents
    cuts = np.searchsorted(message, np.arange(len(lesson.relevant) + 1)).tolist()
    for number in range(len(lesson.relevant)):
        span = slice(cuts[number], cuts[number + 1])
        yield number, span, scores.agent[span] % lesson.agents


def _margins(
    lesson: Lesson, scorer: Scorer, evidence: Evidence, share: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the features of the foremost agent of each message and whether they are right."""
    free = np.ones(lesson.relevant.shape, np.bool_)
    if share:
        free = np.random.default_rng(0).random(free.shape) < share
        kept = free[evidence.agent // lesson.agents, evidence.agent % lesson.agents]
        evidence = evidence.only(kept)
    scores = scorer.score(evidence)
    known = np.zeros((len(free), FEATURES))
    right = np.zeros(len(free), np.bool_)
    known[:, 0] = 1
    for number, span, agents in _per_message(lesson, scores):
        if len(agents):
            score, breadth = scores.score[span], scores.breadth[span]
            best = int(score.argmax())
            asked = int(free[number].sum())
            known[number] = features(score, breadth, np.array([best]), asked, lesson.agents)[0]
            right[number] = lesson.relevant[number, agents[best]]
    return known, right


def _best(hits: dict[Taste, list[NDArray[np.float64]]], among: Sequence[NDArray[np.bool_]]) -> Taste:
    return max(hits, key=lambda taste: sum(found[of].mean() for found, of in zip(hits[taste], among, strict=True)))


def _logistic(known: NDArray[np.float64], right: NDArray[np.bool_], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit logistic regression by Newton's method with a slight ridge on standardised columns."""
    weight = weight / weight.mean()
    mean, spread = known.mean(axis=0), known.std(axis=0)
    mean[0], spread[spread < 1e-9] = 0, 1
    columns = (known - mean) / spread
    fitted = np.zeros(columns.shape[1])
    ridge = np.r_[0.0, np.ones(len(fitted) - 1)]
    for _ in range(30):
        sure = 1 / (1 + np.exp(-np.clip(columns @ fitted, -30, 30)))
        slope = columns.T @ (weight * (sure - right)) + ridge * fitted
        bend = (columns * (weight * sure * (1 - sure) + 1e-9)[:, None]).T @ columns + np.diag(ridge)
        fitted -= np.linalg.solve(bend, slope)
    raw = fitted / spread
    raw[0] -= float((fitted * mean / spread)[1:].sum())
    return np.asarray(raw, np.float64)
