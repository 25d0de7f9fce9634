"""The router: encode, search, rank, reserve; and the reservation's life."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.clock import Clock
from matcher.encoder import Encoder
from matcher.errors import (
    ContactEnded,
    ContactHeld,
    PoolNotFound,
    RequestIdReused,
)
from matcher.found import Found
from matcher.lexicon import stems
from matcher.model import (
    Basis,
    Candidate,
    Constraint,
    Contact,
    Decision,
    Held,
    Hold,
    LeftOut,
    Message,
    Page,
    Pool,
    PoolPolicy,
    Ranking,
    Requirements,
    Reservation,
    Unmatched,
)
from matcher.names import contact_name, reservation_name
from matcher.policy import rank
from matcher.replica import SiteReplica
from matcher.scorer import Scorer
from matcher.sites import Sites
from matcher.store.records import Record, encode_record
from matcher.store.routing import Claim, Claimed, Refused, Replayed, RoutingStore, Slot
from matcher.units import Units, split

MOST_CANDIDATES: Final = 8
MOST_IN_A_CLAIM: Final = 64
MOST_LEFT_OUT: Final = 1_000
LONGEST_IDLE: Final = -1.0
"""The tolerance that tells the store to take the longest idle."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A message as it is compared: where its units are, their vectors, their stems. Never logged."""

    units: Units
    vectors: NDArray[np.float32]
    stems: list[tuple[str, ...]]


class Router:
    """Find the free agent with the closest affinity and hold a slot of theirs."""

    def __init__(
        self,
        store: RoutingStore,
        sites: Sites,
        encoder: Encoder,
        scorer: Scorer,
        clock: Clock,
        *,
        secret: bytes,
        default_tolerance: float,
        observe_candidates: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._sites = sites
        self._encoder = encoder
        self._scorer = scorer
        self._clock = clock
        self._secret = secret
        self._default_tolerance = default_tolerance
        self._observe_candidates = observe_candidates

    async def route(
        self,
        site: str,
        message: Message,
        *,
        contact_id: str,
        request_id: str,
        digest: bytes,
        auto_accept: bool,
        explain_unmatched: bool,
    ) -> Held | Unmatched:
        """Decide who takes the message and hold a slot of theirs.

        digest: the request without its request_id; only a keyed digest of it is kept.
        Raises SiteNotFound, PoolNotFound, RequestIdReused, ContactHeld, ContactEnded, or what encoder and store raise.
        """
        replica = await self._sites.replica(site)
        pool = await replica.pool(message.requirements.pool)
        read = await self._read(message)
        found = self._find(replica, read, message.requirements)
        self._observe_candidates(found.eligible)
        ranking = rank(found, read.units, floor=await replica.floor(pool), tolerance=self._tolerance(pool))
        claim = Claim(
            site=site,
            contact=contact_id or new_id(),
            reservation=new_id(),
            decision=new_id(),
            request_id=request_id or new_id(),
            own_request=not request_id,
            digest=hmac.new(self._secret, digest, hashlib.sha256).hexdigest()[:32],
            pool=pool.id,
            channel=message.requirements.channel,
            customer=message.customer,
            basis=ranking.basis,
            hold_ms=pool.policy.accepted_ms if auto_accept else pool.policy.offer_ms,
            accepted=auto_accept,
            tolerance=ranking.affinity_tolerance if ranking.basis is Basis.AFFINITY else LONGEST_IDLE,
            record=b"",
            candidates=(),
        )
        for part in self._parts(replica, found, read, ranking, message.requirements):
            record = Record(part, self._encoder.fingerprint, self._scorer.fingerprint)
            match await self._store.reserve(
                replace(
                    claim,
                    record=encode_record(record),
                    candidates=[(candidate.agent, candidate.affinity) for candidate in part.candidates],
                )
            ):
                case Claimed(reservation, event):
                    hold = Hold(reservation.id, reservation.channel, reservation.cost, reservation.deadline_ms)
                    replica.held(hold, reservation.agent, event)
                    return Held(reservation, _chosen(part, reservation.agent), replayed=False)
                case Replayed() as before:
                    return await self._replay(site, before)
                case Refused("reused"):
                    raise RequestIdReused(request_id)
                case Refused("live", reservation_id):
                    raise ContactHeld(contact_name(site, claim.contact), reservation_name(site, reservation_id))
                case Refused("ended", state):
                    raise ContactEnded(contact_name(site, claim.contact), state)
        return self._unmatched(replica, claim.contact, read, ranking, message.requirements, explain_unmatched)

    async def suggest(
        self, site: str, message: Message, *, most: int, ignore_availability: bool, explain_left_out: bool
    ) -> Ranking:
        """Rank agents for the message and hold nothing."""
        replica = await self._sites.replica(site)
        pool = await replica.pool(message.requirements.pool)
        read = await self._read(message)
        found = self._find(replica, read, message.requirements, ignore_availability=ignore_availability, resting=most)
        return rank(
            found,
            read.units,
            floor=await replica.floor(pool),
            tolerance=self._tolerance(pool),
            most=most,
            left_out=replica.index.left_out(message.requirements, name_agents=MOST_LEFT_OUT if explain_left_out else 0),
        )

    async def accept(self, site: str, reservation: str, fence: int) -> Reservation:
        """Take an offer; fence 0: not checked."""
        slot, policy = await self._slot(site, reservation)
        return await self._store.accept(slot, fence, policy.accepted_ms)

    async def decline(
        self, site: str, reservation: str, fence: int, reason: str, retry_after_ms: int | None
    ) -> Reservation:
        """Turn an offer down; retry_after_ms None: never offered to the agent again."""
        slot, _ = await self._slot(site, reservation)
        return await self._store.decline(slot, fence, reason, retry_after_ms)

    async def renew(self, site: str, reservation: str, fence: int, duration_ms: int | None) -> Reservation:
        """Move a deadline on; duration_ms None: by the pool's accepted_duration."""
        slot, policy = await self._slot(site, reservation)
        return await self._store.renew(slot, fence, policy.accepted_ms if duration_ms is None else duration_ms)

    async def complete(self, site: str, reservation: str, fence: int) -> Reservation:
        """End a conversation."""
        slot, policy = await self._slot(site, reservation)
        return await self._store.complete(slot, fence, policy.wrap_up_ms)

    async def cancel(self, site: str, reservation: str, fence: int) -> Reservation:
        """Give a slot back."""
        slot, _ = await self._slot(site, reservation)
        return await self._store.cancel(slot, fence)

    async def reservation(self, site: str, reservation: str) -> Reservation:
        """Read a reservation."""
        await self._sites.replica(site)
        return await self._store.reservation(site, reservation, self._clock.now_ms())

    async def reservations(self, site: str, agent: str | None, most: int, after: str) -> Page[Reservation]:
        """List live reservations by deadline, from `after` on; of one agent, where one is named."""
        await self._sites.replica(site)
        now = self._clock.now_ms()
        if agent is None:
            return await self._store.reservations(site, most, after, now)
        return await self._store.reservations_of(site, agent, most, after, now)

    async def contact(self, site: str, contact: str) -> Contact:
        """Read a contact."""
        await self._sites.replica(site)
        return await self._store.contact(site, contact, self._clock.now_ms())

    async def decision(self, site: str, decision: str) -> Decision:
        """Read the record of a decision."""
        await self._sites.replica(site)
        return await self._store.decision(site, decision)

    async def _read(self, message: Message) -> _Read:
        units = split(message.text)
        texts = units.texts(message.text)
        return _Read(units, await self._encoder.encode(texts), [stems(text) for text in texts])

    @staticmethod
    def _find(
        replica: SiteReplica,
        read: _Read,
        requirements: Requirements,
        *,
        ignore_availability: bool = False,
        resting: int = MOST_CANDIDATES,
    ) -> Found:
        return replica.index.find(
            read.vectors, read.stems, requirements, ignore_availability=ignore_availability, resting=resting
        )

    @staticmethod
    def _parts(
        replica: SiteReplica, found: Found, read: _Read, ranking: Ranking, requirements: Requirements
    ) -> Iterator[Ranking]:
        """Yield the candidates part by part, so that in the end every eligible agent known here was asked about.

        First the best, as ranked; then, where none of them had room after all, the other free ones in the same order;
        last those who are full as this replica knows, since a slot may have become free a moment ago.
        """
        yield ranking
        seen = {candidate.agent for candidate in ranking.candidates}
        if len(seen) < found.eligible:
            everyone = rank(
                found,
                read.units,
                floor=ranking.affinity_floor,
                tolerance=ranking.affinity_tolerance,
                most=found.eligible,
            )
            others = [one for one in everyone.candidates if one.agent not in seen]
            yield from _in_parts(ranking, others)
            seen.update(one.agent for one in others)
            idle = [agent for agent in replica.index.longest_idle(requirements, found.eligible) if agent not in seen]
            yield from _in_parts(ranking, [_unmet(replica, agent) for agent in idle])
            seen.update(idle)
        full = [agent for agent in replica.index.eligible_but_full(requirements) if agent not in seen]
        yield from _in_parts(ranking, [_unmet(replica, agent) for agent in full])

    async def _replay(self, site: str, before: Replayed) -> Held:
        """Return the ids of then, with the state of now."""
        reservation = await self._store.reservation(site, before.reservation, self._clock.now_ms())
        decision = await self._store.decision(site, before.decision)
        return Held(reservation, _chosen(decision.ranking, decision.agent), replayed=True)

    def _unmatched(
        self,
        replica: SiteReplica,
        contact: str,
        read: _Read,
        ranking: Ranking,
        requirements: Requirements,
        explain: bool,
    ) -> Unmatched:
        left_out = replica.index.left_out(requirements)
        would_match: tuple[Candidate, ...] = ()
        if explain:
            anybody = self._find(replica, read, requirements, ignore_availability=True)
            would_match = rank(
                anybody, read.units, floor=ranking.affinity_floor, tolerance=ranking.affinity_tolerance
            ).candidates
        return Unmatched(contact, _last_constraint(left_out), left_out, would_match)

    def _tolerance(self, pool: Pool) -> float:
        own = pool.policy.affinity_tolerance
        return self._default_tolerance if own is None else own

    async def _slot(self, site: str, reservation: str) -> tuple[Slot, PoolPolicy]:
        """Return a reservation's slot and the terms of its pool."""
        replica = await self._sites.replica(site)
        slot = await self._store.slot(site, reservation)
        try:
            return slot, (await replica.pool(slot.pool)).policy
        except PoolNotFound:
            # The pool went while the conversation lasted: the usual terms end it.
            return slot, PoolPolicy()


def new_id() -> str:
    """Return an id nobody can guess, of 80 random bits."""
    return secrets.token_hex(10)


def _chosen(ranking: Ranking, agent: str) -> Candidate:
    return next(candidate for candidate in ranking.candidates if candidate.agent == agent)


def _in_parts(ranking: Ranking, candidates: Sequence[Candidate]) -> Iterator[Ranking]:
    for start in range(0, len(candidates), MOST_IN_A_CLAIM):
        yield replace(ranking, candidates=tuple(candidates[start : start + MOST_IN_A_CLAIM]))


def _unmet(replica: SiteReplica, agent_id: str) -> Candidate:
    """Return an agent whom the message did not meet, or who seemed full, as a candidate without affinity."""
    agent = replica.index.agent(agent_id)
    name = agent.profile.display_name if agent else ""
    idle_since_ms = agent.idle_since_ms if agent else 0
    return Candidate(agent_id, name, 0.0, 0.0, 0.0, 0.0, idle_since_ms, ())


def _last_constraint(left_out: LeftOut) -> Constraint:
    """Return the constraint that left nobody; where somebody seemed free, the store found them full."""
    named = [constraint for constraint in Constraint if left_out.counts.get(constraint)]
    return named[-1] if named else Constraint.POOL
