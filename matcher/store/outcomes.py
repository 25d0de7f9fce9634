"""The store of outcomes: the lives of contacts here, and what was recorded of them lately for the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matcher.model import Experience
from matcher.model.lifecycle import Cause, ContactState
from matcher.model.outcomes import AGENT_SOURCE, Kind, Life, Outcome, facts_of
from matcher.store import verbs
from matcher.store.codecs import Fields, fields_of
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient

_TRACE: Final = ("created", "customer", "history", "agent", "agent_uid")
_SERVED: Final = frozenset(
    {
        (ContactState.ASSIGNED, Cause.ACCEPTED),
        (ContactState.ASSIGNED, Cause.TRANSFERRED),
        (ContactState.ASSIGNED, Cause.ASSIGNED),
        (ContactState.CLOSED, Cause.COMPLETED),
    }
)
"""The steps that name the agent who serves the contact; an offer of a transfer names another one."""


SLICE: Final = 500
"""Outcomes that are recorded in one call, in which the store answers nobody else: some milliseconds."""


@dataclass(frozen=True, slots=True, repr=False)
class KnownContact:
    """A contact whose record the store has. Never logged.

    customer: the handle. agent: who served the contact last, with the uid where it is known; "": nobody.
    """

    born_ms: int
    customer: str
    agent: str
    agent_uid: str


class OutcomeStore:
    """Record outcomes for the ledger, and remember for a while what was recorded."""

    def __init__(self, connection: StoreClient, *, kept_ms: int, outbox_kept: int) -> None:
        """kept_ms: how long the store remembers what was recorded. outbox_kept: as of Lifetimes."""
        self._connection = connection
        self._kept_ms = kept_ms
        self._outbox_kept = outbox_kept

    async def known(self, site: str, contacts: Sequence[str]) -> list[KnownContact | None]:
        """Read of contacts what an outcome needs, in one round trip; None where the record is gone."""
        commands = [("HMGET", Keys(site).contact(contact), *_TRACE) for contact in contacts]
        records = await self._connection.pipeline(commands, any_type=True)
        return [None if isinstance(record, Exception) else _known(record) for record in records]

    async def recent(self, site: str, lives: Sequence[Life]) -> list[tuple[Outcome, ...]]:
        """Read what was recorded of lives lately, in one round trip; the last of each source and kind."""
        commands = [("HGETALL", Keys(site).outcomes(life.contact)) for life in lives]
        records = await self._connection.pipeline(commands)
        return [_outcomes(fields_of(record), life) for record, life in zip(records, lives, strict=True)]

    async def record(self, site: str, given: Sequence[tuple[Life, Outcome, bool]]) -> list[bool]:
        """Record outcomes, 500 in a round trip; return of each whether it was new. The same again changes nothing.

        The flag of an outcome says that it was observed at its time, and not when it is recorded.
        """
        new: list[bool] = []
        for start in range(0, len(given), SLICE):
            new += await self._record(site, given[start : start + SLICE])
        return new

    async def _record(self, site: str, given: Sequence[tuple[Life, Outcome, bool]]) -> list[bool]:
        keys = Keys(site)
        answer = await self._connection.verb(
            verbs.RecordOutcomes(
                life=keys.life,
                outbox=keys.outbox,
                outbox_kept=self._outbox_kept,
                kept_ms=self._kept_ms,
                given=[
                    verbs.GivenOutcome(
                        outcomes=keys.outcomes(life.contact),
                        contact_id=life.contact,
                        born_ms=life.born_ms,
                        field=f"{life.born_ms}|{outcome.source}|{outcome.kind}",
                        said=_said(outcome),
                        observed_ms=outcome.observed_ms if dated else "",
                        facts=facts_of(outcome),
                    )
                    for life, outcome, dated in given
                ],
            )
        )
        return [new == b"1" for new in answer[1]]


def _known(record: Sequence[bytes | None]) -> KnownContact | None:
    created, customer, history, last_agent, last_uid = ((value or b"").decode(errors="replace") for value in record)
    if not created.isdigit():
        return None
    steps = [step.split("|") for step in history.split(";") if step]
    served = [agent for _, state, cause, _, agent, _ in steps if agent and (state, cause) in _SERVED]
    agent = served[-1] if served else ""
    return KnownContact(int(created), customer, agent, last_uid if agent == last_agent else "")


def _outcomes(fields: Fields, life: Life) -> tuple[Outcome, ...]:
    found = []
    for name, said in fields.items():
        born, source, kind = name.split("|")
        if int(born) == life.born_ms:
            value, place, observed, recorded = said.decode().split("|")
            found.append(Outcome(source, kind, float(value), int(observed), int(recorded), place))
    return tuple(sorted(found, key=lambda outcome: outcome.recorded_ms))


def reported_outcomes(experience: Experience) -> list[verbs.ReportedOutcome]:
    """Return what an agent reports of a conversation as outcomes."""
    values = {} if experience.resolved is None else {Kind.RESOLVED: float(experience.resolved)}
    if experience.rating:
        values[Kind.CSAT] = float(experience.rating)
    outcomes = [Outcome(AGENT_SOURCE, kind, value, 0) for kind, value in values.items()]
    return [
        verbs.ReportedOutcome(field=f"{one.source}|{one.kind}", said=_said(one), facts=facts_of(one))
        for one in outcomes
    ]


def _said(outcome: Outcome) -> str:
    """Return what makes an outcome another one."""
    return f"{outcome.value!r}|{outcome.place}"
