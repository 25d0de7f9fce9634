"""Returning customers: who served a customer well before, and the interests that the customer agreed to leave."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from matcher.errors import FieldsInvalid, FieldViolation, MatcherError
from matcher.model import Basis, Message, Pool, Preferred
from matcher.replica.interest_vectors import encode_at_once
from matcher.replica.site_replica import SiteReplica
from matcher.store.clock import Clocks
from matcher.store.customers import CustomerStore, Relationship
from matcher.store.remembered import StoredProfile


class ReturningCustomers:
    """Reads what is remembered of the customer of a message. A message that names no customer costs no read."""

    def __init__(self, customers: CustomerStore, clocks: Clocks) -> None:
        self._customers = customers
        self._clocks = clocks

    async def met(
        self, replica: SiteReplica, pool: Pool, message: Message, *, decided: bool = False
    ) -> tuple[Message, StoredProfile | None]:
        """Return the message, which prefers the agent who served the customer well, and the customer's interests.

        Each is read where the pool wants it; the interests also where nothing else is said. decided: by whom the
        customer is served is decided, and the interests are not read.
        """
        wants_profile = not decided and (pool.policy.profile_weight > 0 or message.is_wordless)
        if not message.customer or not (pool.policy.relationship_ms or wants_profile):
            return message, None
        now = self._clocks.of(replica.site).now_ms()
        met = await self._customers.met(
            replica.site, message.customer, now, replica.matching.model if wants_profile else ""
        )
        if pool.policy.relationship_ms:
            message = _preferring(replica, pool, message, met.relationships, now)
        return message, await self._usable(replica, met.profile, now)

    async def profile(self, replica: SiteReplica, pool: Pool, customer: str) -> StoredProfile | None:
        """Return the interests that a customer agreed to leave, where the pool wants them."""
        if not customer or not pool.policy.profile_weight:
            return None
        stored = await self._customers.profile(replica.site, customer, replica.matching.model)
        return await self._usable(replica, stored, self._clocks.of(replica.site).now_ms())

    async def _usable(self, replica: SiteReplica, profile: StoredProfile | None, now_ms: int) -> StoredProfile | None:
        """Return interests with vectors of the serving model; None where the consent has ended.

        Interests with another model's vectors are encoded once and stored; where the encoder is full, without vectors.
        """
        if profile is None or profile.consent.expires_ms <= now_ms:
            return None
        if profile.rows is not None:
            return profile
        with suppress(MatcherError):  # the next route of the customer tries again
            rows = await encode_at_once(replica.matching.encoder, [one.text for one in profile.interests])
            profile = replace(profile, rows=rows)
            await self._customers.put_vectors(replica.site, profile, replica.matching.model, rows)
        return profile


def nothing_said() -> FieldsInvalid:
    """Return the error of a message without a text and interests whose customer has left none."""
    why = "is empty, there are no `customer_interests`, and nothing is remembered of the customer's interests"
    return FieldsInvalid([FieldViolation("message.text", why)])


def _preferring(
    replica: SiteReplica, pool: Pool, message: Message, relationships: tuple[Relationship, ...], now_ms: int
) -> Message:
    """Return the message, which prefers the agent who served the customer well last."""
    policy = pool.policy
    for served in relationships:
        if not served.good or served.at_ms + policy.relationship_ms <= now_ms:
            continue
        agent = replica.index.agent(served.agent)
        if agent is None or not served.is_with(agent):
            continue
        if pool.id not in agent.profile.pools or served.agent in message.requirements.excluded:
            continue
        relationship = Preferred(served.agent, Basis.RELATIONSHIP, policy.relationship_wait_ms)
        return replace(message, preferred=(*message.preferred, relationship))
    return message
