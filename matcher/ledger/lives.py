"""Lives of contacts as rows: what a step changes in the row of its contact. Pure, and the same for every database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from matcher.model.comparison import Comparison, Draw
from matcher.model.lifecycle import ENDED, Cause, ContactState
from matcher.model.steps import Step

Row: TypeAlias = dict[str, Any]

_ENDED: Final = frozenset(str(state) for state in ENDED)
_NAMES_AGENT: Final = frozenset(
    str(cause) for cause in (Cause.OFFERED, Cause.ACCEPTED, Cause.TRANSFERRED, Cause.ASSIGNED)
)
"""The causes after which the agent of the step is the contact's."""
_WORDS: Final = ("basis", "model", "scorer")
_NUMBERS: Final = ("affinity", "margin", "best_affinity", "utilization")
"""What the first offer says, by the names of the columns."""
_DRAWN: Final = ("arm", "probability")
"""What is drawn once in the life of a contact, whichever step says it first."""
_COMPARED: Final = ("part", "would_be_agent", "would_be_basis", "would_be_affinity")
"""What the first offer says for the comparison."""


def new_life(uid: str, step: Step) -> Row:
    """Return the row of a contact of which nothing is known before a step."""
    return {
        "site_uid": uid,
        "contact": step.contact,
        "born": step.born_ms,
        "customer": None,
        "channel": None,
        "pool": step.pool,
        **dict.fromkeys((*_DRAWN, *_COMPARED, *_WORDS, *_NUMBERS)),
        "offered_at": None,
        "waited_ms": None,
        "agent": None,
        "accepted_at": None,
        "assigned_by_hand": 0,
        "offers": 0,
        "transfers": 0,
        "state": step.state,
        "cause": step.kind,
        "ended_at": None,
        "sequence": 0,
        "last_at": step.at_ms,
    }


def apply_step(row: Row, step: Step) -> None:
    """Write into the row of a contact what a step changes.

    A step from which a forgotten agent was taken may come after later ones.
    """
    if step.sequence > row["sequence"]:
        row.update(state=step.state, cause=step.kind, sequence=step.sequence, last_at=step.at_ms)
        row["ended_at"] = step.at_ms if step.state in _ENDED else None
        if step.kind in _NAMES_AGENT:
            row["agent"] = step.agent
    if step.state == ContactState.ASSIGNED and row["accepted_at"] is None:
        row["accepted_at"] = step.at_ms
    row["assigned_by_hand"] += step.kind == Cause.ASSIGNED
    row["transfers"] += step.kind == Cause.TRANSFERRED
    if step.facts:
        _apply_facts(row, step, step.known())


def _apply_facts(row: Row, step: Step, facts: Mapping[str, str]) -> None:
    row["channel"] = row["channel"] or facts.get("channel")
    row["customer"] = row["customer"] or facts.get("customer")
    compared, draw = _comparison(facts)
    if row["arm"] is None and draw is not None:
        row.update(arm=str(draw.arm), probability=draw.probability)
    if "basis" not in facts:
        return
    row["offers"] += 1
    if row["offered_at"] is None:
        row.update(offered_at=step.at_ms, waited_ms=max(0, step.at_ms - step.born_ms), pool=step.pool)
        row.update((name, facts.get(name)) for name in _WORDS)
        row.update((name, decimal(facts.get(name))) for name in _NUMBERS)
        if compared is not None:
            row["part"] = str(compared.part)
            if compared.would_be is not None:
                would_be = compared.would_be
                row.update(would_be_agent=would_be.agent, would_be_basis=str(would_be.basis))
                row["would_be_affinity"] = would_be.affinity


def _comparison(facts: Mapping[str, str]) -> tuple[Comparison | None, Draw | None]:
    """Return what a step says of the comparison and of the contact's arm; nothing where this version cannot read it."""
    try:
        compared = Comparison.unpacked(facts.get("compared", ""))
        return compared, compared.draw if compared else Draw.unpacked(facts.get("draw", ""))
    except ValueError:
        return None, None


def decimal(said: str | None) -> float | None:
    """Return a number as it was written; None where there is none, or where it is no number."""
    try:
        return None if said is None else float(said)
    except ValueError:
        return None
