"""What a route reads of a customer: nothing where the message names none, and one record where it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from matcher.model import Message, Pool, PoolPolicy, Requirements
from matcher.routing.returning_customers import ReturningCustomers
from matcher.store.customers import NOBODY, Met


@dataclass
class CountedStore:
    """A store of customers that knows nobody, and notes what it is asked for."""

    asked: list[tuple[str, str]] = field(default_factory=list)

    async def met(self, _site: str, handle: str, _now_ms: int, model: str = "") -> Met:
        """Note the handle and the model."""
        self.asked.append((handle, model))
        return NOBODY


async def asked(message: Message, *, decided: bool = False, **policy: Any) -> list[tuple[str, str]]:
    """Return what is read for a message in a pool of this policy: handles, each with the model of the interests."""
    store, clock = CountedStore(), SimpleNamespace(now_ms=lambda: 1_000)
    returning = ReturningCustomers(cast("Any", store), cast("Any", SimpleNamespace(of=lambda _: clock)))
    replica = cast("Any", SimpleNamespace(site="s", matching=SimpleNamespace(model="m")))
    given = await returning.met(replica, Pool("p", PoolPolicy(**policy), 1, 0, 0), message, decided=decided)
    assert given == (message, None)
    return store.asked


async def test_a_message_that_names_no_customer_reads_nothing() -> None:
    """Also in a pool that remembers customers."""
    assert await asked(Message("hi", "", Requirements()), relationship_ms=1) == []


async def test_a_customer_is_read_once_and_only_what_the_pool_wants() -> None:
    """Relationships and interests in one read; neither where the pool uses neither; a call's interests always."""
    message = Message("hi", "ann", Requirements())
    assert await asked(message, relationship_ms=1) == [("ann", "m")]
    assert await asked(message) == [("ann", "m")]
    assert await asked(message, relationship_ms=1, profile_weight=0.0) == [("ann", "")]
    assert await asked(message, relationship_ms=1, decided=True) == [("ann", "")]
    assert await asked(message, profile_weight=0.0) == []
    assert await asked(message, decided=True) == []
    assert await asked(Message("", "ann", Requirements()), profile_weight=0.0) == [("ann", "m")]
