"""Validates the config and the rows of an import, and returns them as domain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from matcher.model import Capacity, ImportedRow, Profile
from matcher.model.imports import CAPACITY, CHANNELS, EVERY_FIELD, NAMED_FIELDS, TOTAL
from matcher.rpc.validation import profiles
from matcher.rpc.validation.violations import MISSING, Violations
from matcher.v1 import roster_pb2 as pb

MOST_REMOVED: Final = 1_000_000
"""Agents that one import removes at most, as many as it takes."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The options of an import. max_removed None: as many as half of the roster."""

    site: str
    validate_only: bool
    prune: bool
    fields: frozenset[str]
    max_removed: int | None


def options(config: pb.ImportConfig) -> ImportOptions:
    """Check the config of an import; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("config.parent", config.parent)
    fields = wrong.paths("config.update_mask", config.update_mask, NAMED_FIELDS)
    given = config.HasField("max_removed")
    most = wrong.between("config.max_removed", config.max_removed, 0, MOST_REMOVED) if given else None
    if given and not config.prune:
        wrong.note("config.max_removed", "is given, but the import removes nobody: set `prune`")
    wrong.refuse()
    return ImportOptions(site, config.validate_only, config.prune, EVERY_FIELD if fields is None else fields, most)


def row(given: pb.ImportRow, options: ImportOptions, earlier: Mapping[str, int]) -> ImportedRow:
    """Check a row of an import; `earlier`: the row that gave an id before; raise FieldsInvalid."""
    wrong = Violations()
    agent = wrong.identifier("row.agent_id", given.agent_id)
    if agent in earlier:
        wrong.note("row.agent_id", f"was already given by row {earlier[agent]} of this import")
    fields = wrong.paths("row.update_mask", given.update_mask, NAMED_FIELDS)
    if not given.HasField("agent"):
        wrong.note("row.agent", MISSING)
        wrong.refuse()
    fields = options.fields if fields is None else fields
    languages_wrong = Violations()
    profile = _profile(wrong, languages_wrong, given.agent, options.site, fields)
    status = profiles.status_of(wrong, "row.agent.status", given.agent.status)
    if wrong.noted:
        wrong.add(languages_wrong.noted)
    wrong.refuse()
    written = tuple(given.agent.languages[: profiles.MOST_LANGUAGES])
    return ImportedRow(given.row, agent, profile, status, fields, written, languages_wrong.noted)


def _profile(
    wrong: Violations, languages_wrong: Violations, agent: pb.Agent, site: str, fields: frozenset[str]
) -> Profile:
    """Return the row's values; what the row neither names nor gives is that of a new agent."""
    profile = profiles.profile_of(
        wrong,
        "row.agent",
        agent,
        site,
        interests_needed="interests" in fields,
        languages_wrong=languages_wrong,
    )
    if CAPACITY in fields or not agent.HasField("capacity"):
        return profile
    new, given = Capacity(), profile.capacity
    return replace(
        profile,
        capacity=Capacity(
            total=given.total if TOTAL in fields or given.total else new.total,
            channels=given.channels if CHANNELS in fields or given.channels else new.channels,
        ),
    )
