"""Reserve requests: what the store is asked to reserve for a contact, by the terms of the contact's pool."""

from __future__ import annotations

from typing import Final, NamedTuple

from matcher.auth.principal import current_principal, digest_of
from matcher.model import Pool
from matcher.model.resource_names import new_id
from matcher.store.reservations import ReservationRef, ReserveKind, ReserveRequest, WaitTerms


class ContactToReserve(NamedTuple):
    """A contact that needs an agent; auto_accept: its reservation begins ACCEPTED, not PENDING."""

    site: str
    id: str
    pool: Pool
    channel: str
    customer: str
    auto_accept: bool


class RequestKey(NamedTuple):
    """What identifies a request that is sent again.

    id: the caller's id of the request, or one that this process made (`own`). digest: the keyed digest of the request;
    "": the store does not remember the request. former_digests: what a process with a former key remembered it by.
    """

    id: str
    own: bool
    digest: str
    former_digests: tuple[str, ...] = ()


NOT_REMEMBERED: Final = RequestKey("", own=True, digest="")


def new_reserve_request(
    contact: ContactToReserve,
    key: RequestKey = NOT_REMEMBERED,
    *,
    kind: ReserveKind = ReserveKind.NEW,
    waiting: WaitTerms | None = None,
    handed_on: ReservationRef | None = None,
    handed_on_wrap_up_ms: int = 0,
    keeps_agent: bool = False,
    requirements: bytes = b"",
    only: str = "",
    scope: str = "",
) -> ReserveRequest:
    """Return a request for a new reservation; from waiting on the arguments are as in `ReserveRequest`."""
    policy = contact.pool.policy
    return ReserveRequest(
        site=contact.site,
        contact=contact.id,
        reservation=new_id(),
        decision=new_id(),
        request_id=key.id,
        own_request=key.own,
        digest=key.digest,
        former_digests=key.former_digests,
        pool=contact.pool.id,
        channel=contact.channel,
        customer=contact.customer,
        hold_ms=policy.accepted_ms if contact.auto_accept else policy.offer_ms,
        accepted=contact.auto_accept,
        idle_ms=policy.idle_ms,
        first_ms=policy.first_response_ms,
        waiting=waiting,
        how=kind,
        handed_on=handed_on,
        handed_on_wrap_up_ms=handed_on_wrap_up_ms,
        keeps_agent=keeps_agent,
        pool_uid=contact.pool.uid,
        requirements=requirements,
        only=only,
        scope=scope,
        by=digest_of(current_principal()),
    )
