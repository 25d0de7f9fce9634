"""Imports of agents: rows with the fields that they change, their results, and what a row changes, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from matcher.errors import FieldsInvalid, FieldViolation, MatcherError
from matcher.model.languages import tag_of
from matcher.model.lifecycle import AgentStatus
from matcher.model.roster import Capacity, Profile, SilentInterest

STATUS: Final = "status"
CAPACITY: Final = "capacity"
TOTAL: Final = "capacity.total"
CHANNELS: Final = "capacity.channels"
WHOLE_FIELDS: Final = frozenset({"display_name", "interests", "skills", "languages", CAPACITY, "pools", "manager"})
"""The fields of a profile."""
EVERY_FIELD: Final = WHOLE_FIELDS | {STATUS}
"""The fields of a row that names none: all."""
NAMED_FIELDS: Final = EVERY_FIELD | {TOTAL, CHANNELS, "name"}
"""The fields that a row may name. "name" changes nothing: it is for a row that only says that an agent stays."""


class ImportAction(StrEnum):
    """The result of one row of an import."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    REJECTED = "REJECTED"
    PRUNED = "PRUNED"


class StatusKept(StrEnum):
    """Why an agent keeps a status that differs from the row's."""

    NOT_NAMED = "STATUS_NOT_NAMED"
    NO_HEARTBEAT = "NO_HEARTBEAT"


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One agent of an import.

    status None: unchanged, OFFLINE for a new agent. fields: what the row changes of an agent who exists; a new agent
    gets all that the row has. languages: as the row writes them; wrong_languages: what is wrong with them. An earlier
    version took any text, and an agent who has these languages already keeps them.
    """

    row: int
    agent: str
    profile: Profile
    status: AgentStatus | None
    fields: frozenset[str] = EVERY_FIELD
    languages: tuple[str, ...] = ()
    wrong_languages: tuple[FieldViolation, ...] = ()

    def fault(self, before: Profile | None) -> FieldsInvalid | None:
        """Return why the row cannot be written; None: it can. before: the agent's profile, if there is the agent."""
        if not self.wrong_languages or (before is not None and self.languages == before.languages):
            return None
        return FieldsInvalid(self.wrong_languages)

    def onto(self, before: Profile) -> Profile:
        """Return a profile with the fields that the row changes."""
        changed: dict[str, Any] = {field: getattr(self.profile, field) for field in self.fields & WHOLE_FIELDS}
        written = tuple(tag_of(language) or language for language in before.languages)
        if "languages" in changed and (self.languages == before.languages or changed["languages"] == written):
            # The store may hold a name, or an older version's text, where the row has its tag: nothing changes.
            changed["languages"] = before.languages
        if CAPACITY not in changed:
            given, kept = self.profile.capacity, before.capacity
            changed[CAPACITY] = Capacity(
                total=given.total if TOTAL in self.fields else kept.total,
                channels=given.channels if CHANNELS in self.fields else kept.channels,
            )
        return replace(before, **changed)

    def status_for(self, before: AgentStatus) -> AgentStatus | None:
        """Return the status that the row gives an agent who has another one; None: the agent keeps it."""
        return self.status if STATUS in self.fields and self.status is not before else None


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What an import changes of a field: the entries before and after, and how many are lost.

    An entry is lost if nothing takes its place: a skill that is no longer there, not one whose level changes.
    """

    field: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    lost: int


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result of a row, with the error where it was rejected. row 0: a pruned agent.

    silent: the interests of the row that no message can meet.
    """

    row: int
    agent: str
    action: ImportAction
    error: MatcherError | None = None
    changes: tuple[FieldChange, ...] = ()
    status_kept: StatusKept | None = None
    silent: tuple[SilentInterest, ...] = ()


def changes_of(
    before: Profile, after: Profile, status: AgentStatus, new_status: AgentStatus | None
) -> tuple[FieldChange, ...]:
    """Return what changes between two profiles, and between a status and a new one (None: it stays)."""
    changes = [
        FieldChange(field, entries, new, _lost(entries, new, by_id=field in ("skills", CHANNELS)))
        for (field, entries), (_, new) in zip(_entries(before), _entries(after), strict=True)
        if entries != new
    ]
    if new_status is not None and new_status is not status:
        changes.append(FieldChange(STATUS, (status.name,), (new_status.name,), 0))
    return tuple(changes)


def _entries(profile: Profile) -> Iterator[tuple[str, tuple[str, ...]]]:
    channels = profile.capacity.channels
    yield "display_name", (profile.display_name,) if profile.display_name else ()
    yield "interests", profile.interests
    yield "skills", tuple(sorted(f"{skill}:{level}" for skill, level in profile.skills.items()))
    yield "languages", profile.languages
    yield TOTAL, (str(profile.capacity.total),)
    yield CHANNELS, tuple(sorted(f"{name}:{limit.cost}:{limit.max}" for name, limit in channels.items()))
    yield "pools", profile.pools
    yield "manager", (profile.manager,) if profile.manager else ()


def _lost(before: Sequence[str], after: Sequence[str], *, by_id: bool) -> int:
    if len(before) == len(after) == 1:
        return 0
    kept = {entry.split(":", 1)[0] for entry in after} if by_id else set(after)
    return sum((entry.split(":", 1)[0] if by_id else entry) not in kept for entry in before)
