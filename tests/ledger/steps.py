"""Steps and batches, as an outbox would have them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import msgspec

from matcher.ledger.writer import Batch
from matcher.model.steps import OUTCOME, Step

UID: Final = "0190-uid"
BORN: Final = 1_790_000_000_000
DAY_MS: Final = 86_400_000


def step(number: int, kind: str = "OFFERED", state: str = "RESERVED", contact: str = "c", **more: Any) -> Step:
    """Return a step; its time is one second after the step of the number before."""
    made = Step(
        number=number,
        kind=kind,
        contact=contact,
        born_ms=BORN,
        at_ms=BORN + 1_000 * number,
        sequence=number,
        state=state,
        pool="sales",
        reservation=f"r-{contact}",
        agent="ann",
        facts="",
    )
    return msgspec.structs.replace(made, **more)


def life(first: int, contact: str, customer: str = "", **more: Any) -> list[Step]:
    """Return the steps of a contact that is offered, accepted and completed, from a number on."""
    facts = (
        "channel=chat;basis=AFFINITY;affinity=0.6200;utilization=0.2500;eligible=9;model=m1;scorer=s1;margin=0.1100;"
    )
    if customer:
        facts += f"customer={customer};"
    return [
        step(first, "OFFERED", "RESERVED", contact, sequence=1, facts=facts, **more),
        step(first + 1, "ACCEPTED", "ASSIGNED", contact, sequence=2, **more),
        step(first + 2, "COMPLETED", "CLOSED", contact, sequence=3, **more),
    ]


def outcome(number: int, contact: str, kind: str, value: float, source: str = "survey") -> Step:
    """Return the step that records an outcome."""
    facts = f"source={source};outcome={kind};value={value};observed={BORN + 7};"
    return step(number, OUTCOME, "", contact, sequence=0, pool="", reservation="", agent="", facts=facts)


def batch(steps: Iterable[Step], uid: str = UID, **more: Any) -> Batch:
    """Return the batch of steps, as they were read at once."""
    listed = list(steps)
    if not listed:
        return Batch("default", uid, (), **more)
    first, last = listed[0], listed[-1]
    made = Batch("default", uid, listed, first.number, last.number, first.at_ms, last.at_ms)
    return replace(made, **more)
