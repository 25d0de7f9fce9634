"""Filters by the hard constraints of a message, for all agents at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.index.agent_table import AgentTable
from matcher.index.attributes import ABSENT, Attribute, unmet_attributes
from matcher.index.vector_table import Rows
from matcher.index.view import View
from matcher.model import Constraint, Requirements

ORDER: Final = tuple(constraint for constraint in Constraint if constraint is not Constraint.KEPT_FOR_WAITING)
"""The constraints in the order they are applied; what is kept for the contacts that wait, the store alone knows."""


def admitted(agents: AgentTable, view: View, requirements: Requirements) -> tuple[Rows, NDArray[np.bool_] | None]:
    """Check the constraints that a view does not check: language, skills, exclusions.

    Returns the rows of the members that meet them, and by position of the view whether its interest is such a member's;
    None: all are.
    """
    met = agents.attribute_table.meets(requirements.language, requirements.skills)
    if requirements.only:
        return _admitted_alone(agents, view, requirements, met)
    excluded = [row for row in _rows_of(agents, requirements.excluded) if row in view]
    if met is None and not excluded:
        return view.members.copy(), None
    members, owners = view.members, view.owners
    if met is None:
        positions = np.ones(len(owners), np.bool_)
        kept = np.ones(len(members), np.bool_)
    else:
        positions, kept = met[agents.attributes[owners]], met[agents.attributes[members]]
    if excluded:
        kept &= ~np.isin(members, excluded)
        for row in excluded:
            positions[view.positions_of(row)] = False
    return members[kept], positions


def _admitted_alone(
    agents: AgentTable, view: View, requirements: Requirements, met: NDArray[np.bool_] | None
) -> tuple[Rows, NDArray[np.bool_]]:
    row = agents.row_of.get(requirements.only)
    positions = np.zeros(len(view.owners), np.bool_)
    if row is None or row not in view or requirements.only in requirements.excluded:
        return view.members[:0].copy(), positions
    if met is not None and not met[agents.attributes[row]]:
        return view.members[:0].copy(), positions
    positions[view.positions_of(row)] = True
    return np.array([row], view.members.dtype), positions


def count_admitted(agents: AgentTable, view: View, requirements: Requirements) -> int:
    """Count the members that `admitted` returns; `requirements.only` is not checked."""
    met = agents.attribute_table.meets(requirements.language, requirements.skills)
    members = len(view) if met is None else int(np.count_nonzero(met[agents.attributes[view.members]]))
    for row in _rows_of(agents, requirements.excluded):
        members -= row in view and (met is None or bool(met[agents.attributes[row]]))
    return members


def first_unmet(agents: AgentTable, requirements: Requirements) -> tuple[Rows, NDArray[np.intp]]:
    """Return the rows in use and, for each, the place in `ORDER` of the first constraint not met; len(ORDER): none."""
    rows = agents.rows_in_use()
    attributes = agents.attributes[rows]
    met = {
        Constraint.POOL: agents.values(rows, Attribute.POOL, requirements.pool) > 0,
        Constraint.EXCLUDED: _not_excluded(agents, rows, requirements),
        Constraint.CHANNEL: agents.values(rows, Attribute.COST, requirements.channel) != ABSENT,
        Constraint.LANGUAGE: agents.attribute_table.speaks(requirements.language)[attributes],
        Constraint.SKILL: agents.attribute_table.has_skills(requirements.skills)[attributes],
        Constraint.STATUS: agents.online(rows),
        Constraint.CAPACITY: agents.have_capacity(rows, requirements.channel),
    }
    table = np.vstack([*(met[constraint] for constraint in ORDER), np.zeros(len(rows), np.bool_)])
    return rows, np.argmin(table, axis=0)


def unmet_by(agents: AgentTable, row: int, requirements: Requirements) -> list[Constraint]:
    """Return the constraints that one agent does not meet, in their order."""
    agent, attributes = agents.agent[row].id, agents.attribute_table[int(agents.attributes[row])]
    met = {
        Constraint.EXCLUDED: agent not in requirements.excluded and requirements.only in ("", agent),
        Constraint.STATUS: agents.is_online(row),
        Constraint.CAPACITY: agents.has_capacity(row, requirements.channel),
    }
    unmet = {constraint for constraint, holds in met.items() if not holds}
    unmet.update(unmet_attributes(attributes, requirements))
    return [constraint for constraint in ORDER if constraint in unmet]


def _not_excluded(agents: AgentTable, rows: Rows, requirements: Requirements) -> NDArray[np.bool_]:
    kept = ~np.isin(rows, list(_rows_of(agents, requirements.excluded)))
    if requirements.only:
        kept &= rows == agents.row_of.get(requirements.only, -1)
    return kept


def _rows_of(agents: AgentTable, ids: Iterable[str]) -> Iterable[int]:
    return (row for row in map(agents.row_of.get, ids) if row is not None)
