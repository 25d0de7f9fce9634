"""The evaluation of a suite: the figures of the service and of the baselines, and a reliability diagram's data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.evaluation import baselines
from matcher.evaluation.decisions import Decisions, decide
from matcher.evaluation.metrics import (
    Floats,
    Places,
    auroc,
    bins,
    busiest_share,
    calibration_error,
    half_width,
    recall,
    reciprocal_rank,
)
from matcher.evaluation.production import Production, Progress
from matcher.evaluation.suite import Suite


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and half the width of its 95 % interval (0: an exact expectation)."""

    value: float
    half_width: float = 0.0


@dataclass(frozen=True, slots=True)
class Method:
    """The figures of one method of ranking."""

    name: str
    recall_at_1: Estimate
    recall_at_5: Estimate
    mrr_at_10: Estimate


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures that `--json` prints, as fractions; None where a suite does not determine a figure."""

    suite: str
    agents: int
    messages: int
    recall_at_1: float | None
    recall_at_5: float | None
    mrr_at_10: float | None
    hit_rate_routed: float | None
    mean_affinity: float | None
    top_1_percent_share: float | None
    ece: float | None
    auroc: float | None

    def as_json(self) -> Mapping[str, str | int | float | None]:
        """Return the figures by their names."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All figures of one suite."""

    figures: Figures
    production: Method
    hit_rate_routed: Estimate
    fell_back: float
    floors: Mapping[str, float]
    """The floor of each language in which messages are written, by its tag; "": unknown. By folds: their mean."""
    methods: Sequence[Method]
    """The figures of the baselines."""
    auroc_answerable: float
    """The AUROC over the decisions for which a right agent was free; `figures.auroc` is over all decisions."""
    bins: Sequence[tuple[float, float, int]]
    """The reliability diagram: mean confidence, share of right agents, and number of decisions of each bin."""


async def evaluate(
    production: Production, suite: Suite, progress: Progress, *, free: float = 1.0, compare: bool = True
) -> Evaluation:
    """Run a suite through the service's own code and, if `compare`, through the baselines.

    Recall, reciprocal rank and hit rate are means over the decisions for which a right agent is free; all other
    figures are over all decisions. free: see `decide`.
    """
    decisions = await decide(production, suite, progress, free=free)
    methods = await baselines_of(production, suite, progress) if compare else ()
    return summarise(suite, decisions, methods)


def summarise(suite: Suite, decisions: Decisions, methods: Sequence[Method]) -> Evaluation:
    """Return the figures of the decisions on a suite."""
    cluster = _clusters(suite)
    place, answerable = decisions.place, decisions.answerable
    clusters = cluster[decisions.message]
    serving = _method("this service", place[answerable], clusters[answerable])
    hits = _estimate(decisions.routed_right[answerable].astype(np.float64), clusters[answerable])
    right = place == 1
    figures = Figures(
        suite=suite.name,
        agents=len(suite.agents),
        messages=len(suite.messages),
        recall_at_1=_number(serving.recall_at_1.value),
        recall_at_5=_number(serving.recall_at_5.value),
        mrr_at_10=_number(serving.mrr_at_10.value),
        hit_rate_routed=_number(hits.value),
        mean_affinity=_number(float(decisions.affinity.mean())),
        top_1_percent_share=_number(busiest_share(np.bincount(decisions.routed, minlength=len(suite.agents)))),
        ece=_number(calibration_error(decisions.confidence, right)),
        auroc=_number(auroc(decisions.confidence, right)),
    )
    return Evaluation(
        figures=figures,
        production=serving,
        hit_rate_routed=hits,
        fell_back=float(decisions.fell_back.mean()),
        floors={
            language: float(decisions.floor[decisions.language == language].mean())
            for language in np.unique(decisions.language).tolist()
        },
        methods=methods,
        auroc_answerable=auroc(decisions.confidence[answerable], right[answerable]),
        bins=bins(decisions.confidence, right),
    )


async def baselines_of(production: Production, suite: Suite, progress: Progress) -> list[Method]:
    """Return the figures of the baselines with all agents free; raise ExtraMissing without bm25s."""
    await production.encode_suite(suite, progress)
    cluster = _clusters(suite)
    answerable = np.array([bool(message.relevant) for message in suite.messages])
    ranked = {
        "BM25": baselines.word_search(suite),
        "one vector per profile": await baselines.one_vector(production, suite, progress),
        "evidence alone (E)": baselines.evidence_alone(production, suite),
    }
    chance = baselines.chance(suite)
    return [
        Method("random", *(Estimate(value) for value in (chance.recall_at_1, chance.recall_at_5, chance.mrr_at_10))),
        *(_method(name, places[answerable], cluster[answerable]) for name, places in ranked.items()),
    ]


def _method(name: str, places: Places, cluster: NDArray[np.int64]) -> Method:
    measured = (recall(places, 1), recall(places, 5), reciprocal_rank(places))
    return Method(name, *(_estimate(values, cluster) for values in measured))


def _estimate(values: Floats, cluster: NDArray[np.int64]) -> Estimate:
    return Estimate(float(values.mean()) if len(values) else math.nan, half_width(values, cluster))


def _clusters(suite: Suite) -> NDArray[np.int64]:
    """Return the cluster of each message [messages], by its right agents; the bootstrap draws whole clusters."""
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(min(message.relevant, default=""), len(numbers)) for message in suite.messages], np.int64
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
