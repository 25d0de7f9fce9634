"""Verdicts: what an outcome says by now, and the answer to "does it pay?" that follows from all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from matcher.v1 import impact_pb2 as pb

LEAST_OUTCOMES: Final = 100
"""Below this number of outcomes in an arm the service gives no interval."""


class Verdict(StrEnum):
    """What an outcome says by now."""

    BETTER = "better"
    WORSE = "worse"
    DIFFERS = "differs"
    OPEN = "open"
    FEW = "few"


VERDICTS: Final[Mapping[Verdict, str]] = {
    Verdict.BETTER: "better with affinity",
    Verdict.WORSE: "worse with affinity",
    Verdict.DIFFERS: "differs",
    Verdict.OPEN: "not known yet",
    Verdict.FEW: "too few outcomes yet",
}


@dataclass(frozen=True, slots=True)
class Form:
    """How an outcome is told: its title, and what the means of the arms say, with {t} and {c} for them."""

    title: str
    means: str
    fewer_is_better: bool = False


FORMS: Final[Mapping[str, Form]] = {
    "resolved": Form(
        "Concerns resolved",
        "Of 100 customers who were routed by affinity {t} had their concern resolved; of 100 who were not, {c}.",
    ),
    "csat": Form(
        "Satisfaction, 1 to 5",
        "Customers who were routed by affinity give {t} on average; those who were not give {c}.",
    ),
    "nps": Form(
        "Would recommend (NPS)",
        "The NPS (promoters less detractors, of 100 answers) is {t} with affinity and {c} without.",
    ),
    "recommended": Form(
        "Did recommend",
        "Those who recommended less those who warned, of 100 who were seen: {t} with affinity, {c} without.",
    ),
    "returned": Form(
        "Came back with the same concern",
        "Of 100 customers who were routed by affinity {t} came back with the same concern; of 100 who were not, {c}. "
        "Fewer is better.",
        fewer_is_better=True,
    ),
}


def verdict_of(kind: str, found: pb.Difference) -> Verdict:
    """Return what a difference with its interval says."""
    if not found.HasField("low"):
        return Verdict.FEW
    if found.low <= 0 <= found.high:
        return Verdict.OPEN
    if kind not in FORMS:
        return Verdict.DIFFERS
    return Verdict.BETTER if (found.low > 0) is not FORMS[kind].fewer_is_better else Verdict.WORSE


def title_of(kind: str) -> str:
    """Return the name of an outcome for people."""
    return FORMS[kind].title if kind in FORMS else f"{kind.removeprefix('metrics.')} (a number of yours)"


def answer(verdicts: Sequence[tuple[str, Verdict]]) -> tuple[str, Verdict, str]:
    """Return the answer to "does it pay?" of outcomes with their titles: a word or two, its tone, and the reason."""

    def titles(verdict: Verdict) -> str:
        found = [title for title, said in verdicts if said is verdict]
        return ", ".join([*found[:1], *(title[:1].lower() + title[1:] for title in found[1:])])

    better, worse, differs = titles(Verdict.BETTER), titles(Verdict.WORSE), titles(Verdict.DIFFERS)
    if better and worse:
        said = "In part.", Verdict.DIFFERS, f"Better: {better}. Worse: {worse}."
    elif better:
        said = "Yes.", Verdict.BETTER, f"Better, by more than chance explains: {better}."
    elif worse:
        said = "No.", Verdict.WORSE, f"Worse, by more than chance explains: {worse}."
    elif differs:
        said = "Something changes.", Verdict.DIFFERS, f"{differs}: whether more is better is for you to say."
    elif titles(Verdict.OPEN):
        said = "Not known yet.", Verdict.OPEN, "So far every difference is one that chance alone could make."
    elif verdicts:
        said = "Not known yet.", Verdict.FEW, f"Each arm needs {LEAST_OUTCOMES} outcomes before anything can be said."
    else:
        said = "Not known yet.", Verdict.FEW, "There is nothing to go by."
    return said
