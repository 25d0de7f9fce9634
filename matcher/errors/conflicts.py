"""Errors of requests that contradict what the store holds: another state, another holder, still in use."""

from __future__ import annotations

from collections.abc import Sequence

from matcher.errors.reason import MatcherError


class ContactHeld(MatcherError):
    """The contact has a live reservation already: one customer, one agent."""

    reason = "CONTACT_HELD"

    def __init__(self, contact: str, reservation: str) -> None:
        super().__init__(
            f"{contact} already has the live reservation {reservation}", contact=contact, reservation=reservation
        )


class ContactUnserved(MatcherError):
    """No agent has served the contact, so nobody can be praised for it."""

    reason = "CONTACT_UNSERVED"

    def __init__(self, contact: str) -> None:
        super().__init__(f"no agent has served {contact}, so the praise is of nobody", contact=contact)


class ReservationLapsed(MatcherError):
    """The reservation's deadline has passed."""

    reason = "RESERVATION_LAPSED"

    def __init__(self, reservation: str, state: str) -> None:
        super().__init__(
            f"the deadline of {reservation} has passed: it is {state}", reservation=reservation, state=state
        )


class ReservationStateWrong(MatcherError):
    """The reservation's state does not allow the transition."""

    reason = "RESERVATION_STATE"

    def __init__(self, reservation: str, state: str, wanted: str) -> None:
        super().__init__(f"{reservation} is {state}; it cannot be {wanted}", reservation=reservation, state=state)


class FenceStale(MatcherError):
    """The fence of the request is not the reservation's."""

    reason = "FENCE_STALE"

    def __init__(self, reservation: str, fence: int) -> None:
        super().__init__(f"the fence of {reservation} is not {fence}", reservation=reservation, fence=fence)


class AgentHasHolds(MatcherError):
    """The agent holds live reservations."""

    reason = "AGENT_HAS_HOLDS"

    def __init__(self, agent: str, holds: int) -> None:
        super().__init__(
            f"{agent} holds {holds} live reservation{'' if holds == 1 else 's'}; `force` puts the contacts back",
            agent=agent,
            holds=holds,
        )


class CustomerInContact(MatcherError):
    """The customer waits or is served."""

    reason = "CUSTOMER_IN_CONTACT"

    def __init__(self, customer: str, contacts: int) -> None:
        """Name the customer by the resource name; "": one of a handle, which is not repeated."""
        named = {"customer": customer} if customer else {}
        have = "1 contact that has" if contacts == 1 else f"{contacts} contacts that have"
        who = customer or "the customer of this handle"
        super().__init__(
            f"{who} has {have} not ended; `force` lets them go on without a customer",
            **named,
            contacts=contacts,
        )


class AgentFull(MatcherError):
    """The agent has not enough free capacity for an assignment by hand."""

    reason = "AGENT_FULL"

    def __init__(self, agent: str, load: int, total: int) -> None:
        super().__init__(
            f"{agent} holds {load} of {total} and cannot take the contact; `over_capacity` assigns it all the same",
            agent=agent,
            load=load,
            total=total,
        )


class ConstraintsUnmet(MatcherError):
    """The agent does not meet constraints that an assignment by hand does not ignore."""

    reason = "CONSTRAINTS_UNMET"

    def __init__(self, agent: str, constraints: Sequence[str]) -> None:
        listed = ", ".join(constraints)
        advice = "`ignore_constraints` assigns the contact all the same"
        super().__init__(f"{agent} does not meet {listed}; {advice}", agent=agent, constraints=listed)


class PruneTooLarge(MatcherError):
    """An import would remove more agents than it may; none was removed."""

    reason = "PRUNE_TOO_LARGE"

    def __init__(self, site: str, removed: int, agents: int, limit: int) -> None:
        super().__init__(
            f"{removed} of {agents} agents would be removed, and at most {limit} may be: no agent was removed",
            site=site,
            removed=removed,
            agents=agents,
            limit=limit,
        )


class PoolInUse(MatcherError):
    """Agents are still in the pool, or it is the default pool."""

    reason = "POOL_IN_USE"

    def __init__(self, pool: str, agents: int) -> None:
        why = f"{agents} agents are in it" if agents else "it is the site's default pool"
        super().__init__(f"{pool} cannot be removed: {why}", pool=pool, agents=agents)


class PoolHasWaiting(MatcherError):
    """Contacts wait in the pool."""

    reason = "POOL_HAS_WAITING"

    def __init__(self, pool: str, waiting: int) -> None:
        super().__init__(f"{pool} cannot be removed: {waiting} contacts wait in it", pool=pool, waiting=waiting)


class ContactStateWrong(MatcherError):
    """The contact's state does not allow the operation."""

    reason = "CONTACT_STATE_WRONG"

    def __init__(self, contact: str, state: str, wanted: str) -> None:
        super().__init__(f"{contact} is {state or 'unknown'} and cannot be {wanted}", contact=contact, state=state)


class ContactMoved(ContactStateWrong):
    """The contact went on to another agent between the read of it and the write."""

    def __init__(self, contact: str) -> None:
        super().__init__(contact, "ASSIGNED", "handed on: it goes from agent to agent")


class WatcherTooSlow(MatcherError):
    """A watcher read too slowly, and its stream was ended."""

    reason = "WATCHER_TOO_SLOW"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the watcher fell {limit} answers behind: resume after the last answer that it read", limit=limit
        )


class EventsForgotten(MatcherError):
    """The events after a place are no longer kept: after a resume token, or after a step of a contact."""

    reason = "EVENTS_FORGOTTEN"

    def __init__(self, place: str, oldest: int, contact: str = "") -> None:
        where = {"contact": contact, "after_sequence": place} if contact else {"resume_token": place}
        after = f"after step {place} of {contact}" if contact else "after the resume_token"
        advice = f"read the contact, then watch after {oldest - 1}" if contact else "read the list, then watch again"
        super().__init__(f"the events {after} are no longer kept: {advice}", **where, oldest=oldest)


class ContactEnded(MatcherError):
    """The contact has ended and cannot be routed again."""

    reason = "CONTACT_ENDED"

    def __init__(self, contact: str, state: str) -> None:
        super().__init__(f"{contact} is {state} and cannot be routed again", contact=contact, state=state)


class SiteInUse(MatcherError):
    """The site still has agents, or it is the default site."""

    reason = "SITE_IN_USE"

    def __init__(self, site: str, agents: int) -> None:
        why = f"it has {agents} agents; `force` removes them" if agents else "it is the default site"
        super().__init__(f"{site} cannot be removed: {why}", site=site, agents=agents)


class EtagMismatch(MatcherError):
    """The etag of the request is not the current etag."""

    reason = "ETAG_MISMATCH"

    def __init__(self, name: str, etag: str) -> None:
        super().__init__(f"the etag of {name} is now {etag}: read it again, then write", resource=name, etag=etag)
