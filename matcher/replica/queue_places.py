"""Places of waiting contacts: position and estimated wait, which needs an agent who is ONLINE and could take it."""

from __future__ import annotations

from dataclasses import replace

from matcher.model import Contact, Queued, Requirements
from matcher.ranking.relaxation import relax_requirements
from matcher.replica.site_replica import SiteReplica


def place_of(replica: SiteReplica, contact: Contact, now_ms: int) -> Queued | None:
    """Return the place of a contact, None where this process does not know it to wait.

    There is no estimate where no agent who could take the contact is ONLINE.
    """
    served = _served(replica, contact, now_ms)
    return replica.queue.place_of(contact.id, contact.waits_until_ms, now_ms, served=served)


def told_place(replica: SiteReplica, contact: Contact, now_ms: int) -> Queued | None:
    """Return the place of a contact as its watchers are told it: the places of a pool are computed once a second.

    None where the contact does not wait, or came to the queue since: ask a second later.
    """
    served = _served(replica, contact, now_ms)
    return replica.queue.told_place_of(contact.id, contact.waits_until_ms, now_ms, served=served)


def replayed_place(replica: SiteReplica, contact: Contact, now_ms: int) -> Queued:
    """Return the place of a contact that waits, also where another process queued it a moment ago."""
    pool, served = contact.queued_in or contact.pool, _served(replica, contact, now_ms)
    return place_of(replica, contact, now_ms) or replica.queue.place(
        contact.id, pool, contact.created_ms, contact.waits_until_ms, now_ms, served=served
    )


def new_place(
    replica: SiteReplica, contact: str, requirements: Requirements, score: int, waits_until_ms: int, now_ms: int
) -> Queued:
    """Return the place of a contact that this process has queued with a message of these requirements."""
    replica.queue.note_required(contact, requirements)
    served = replica.index.anyone_online(requirements)
    return replica.queue.place(contact, requirements.pool, score, waits_until_ms, now_ms, served=served)


def _served(replica: SiteReplica, contact: Contact, now_ms: int) -> bool:
    """Return whether an agent who could take a contact is ONLINE, by what is required of the agent at the moment."""
    # In a store of before schema 3 only the sealed message says what the contact requires.
    required = replica.queue.required(contact.id) or contact.requirements
    required, _ = relax_requirements(required, contact.created_ms, now_ms)
    only = "" if required.only in contact.excluded else required.only
    required = replace(required, excluded=required.excluded.union(contact.excluded), only=only)
    return replica.index.anyone_online(required)
