"""The hard constraints of a message, checked for all agents at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.index.agent_table import AgentTable
from matcher.index.attributes import NOT_TAKEN, Attribute
from matcher.index.vector_table import Rows
from matcher.index.view import View
from matcher.model import Constraint, Requirements

ORDER: Final = tuple(Constraint)
"""The constraints in the order they are applied."""


def admitted(people: AgentTable, view: View, requirements: Requirements) -> tuple[Rows, NDArray[np.bool_] | None]:
    """Check what a view does not see to: language, skills, exclusions.

    Returns the slots of the members who meet it, and [positions] whether a row is theirs; None: all are.
    """
    met = people.traits.meets(requirements.language, requirements.skills)
    if requirements.only:
        return _alone(people, view, requirements, met)
    excluded = [slot for slot in _slots(people, requirements.excluded) if slot in view]
    if met is None and not excluded:
        return view.members.copy(), None
    members, owners = view.members, view.owners
    if met is None:
        rows = np.ones(len(owners), np.bool_)
        kept = np.ones(len(members), np.bool_)
    else:
        rows, kept = met[people.trait[owners]], met[people.trait[members]]
    if excluded:
        kept &= ~np.isin(members, excluded)
        for slot in excluded:
            rows[view.rows_of(slot)] = False
    return members[kept], rows


def _alone(
    people: AgentTable, view: View, requirements: Requirements, met: NDArray[np.bool_] | None
) -> tuple[Rows, NDArray[np.bool_]]:
    slot = people.slots.get(requirements.only)
    rows = np.zeros(len(view.owners), np.bool_)
    if slot is None or slot not in view or requirements.only in requirements.excluded:
        return view.members[:0].copy(), rows
    if met is not None and not met[people.trait[slot]]:
        return view.members[:0].copy(), rows
    rows[view.rows_of(slot)] = True
    return np.array([slot], view.members.dtype), rows


def how_many_admitted(people: AgentTable, view: View, requirements: Requirements) -> int:
    """Count the members whom `admitted` returns."""
    met = people.traits.meets(requirements.language, requirements.skills)
    members = len(view) if met is None else int(np.count_nonzero(met[people.trait[view.members]]))
    for slot in _slots(people, requirements.excluded):
        members -= slot in view and (met is None or bool(met[people.trait[slot]]))
    return members


def first_unmet(people: AgentTable, requirements: Requirements) -> tuple[Rows, NDArray[np.intp]]:
    """Return the slots in use and, for each, the place in `ORDER` of the first constraint not met; its length: none."""
    slots = people.present()
    trait = people.trait[slots]
    met = {
        Constraint.POOL: people.answers(slots, Attribute.POOL, requirements.pool) > 0,
        Constraint.EXCLUDED: _wanted(people, slots, requirements),
        Constraint.CHANNEL: people.answers(slots, Attribute.COST, requirements.channel) != NOT_TAKEN,
        Constraint.LANGUAGE: people.traits.speaks(requirements.language)[trait],
        Constraint.SKILL: people.traits.has_skills(requirements.skills)[trait],
        Constraint.STATUS: people.online(slots),
        Constraint.CAPACITY: people.have_room(slots, requirements.channel),
    }
    table = np.vstack([*(met[constraint] for constraint in ORDER), np.zeros(len(slots), np.bool_)])
    return slots, np.argmin(table, axis=0)


def _wanted(people: AgentTable, slots: Rows, requirements: Requirements) -> NDArray[np.bool_]:
    wanted = ~np.isin(slots, list(_slots(people, requirements.excluded)))
    if requirements.only:
        wanted &= slots == people.slots.get(requirements.only, -1)
    return wanted


def _slots(people: AgentTable, agents: Iterable[str]) -> Iterable[int]:
    return (slot for slot in map(people.slots.get, agents) if slot is not None)
