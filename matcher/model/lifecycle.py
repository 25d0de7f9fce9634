"""States of agents, reservations and contacts, and the states that may follow each."""

from __future__ import annotations

from enum import StrEnum


class AgentStatus(StrEnum):
    """The status of an agent."""

    ONLINE = "ONLINE"
    DRAINING = "DRAINING"
    OFFLINE = "OFFLINE"
    AWAY = "AWAY"


class ReservationState(StrEnum):
    """The state of a reservation."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    WRAPPING = "WRAPPING"
    COMPLETED = "COMPLETED"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"


class ContactState(StrEnum):
    """The state of a contact."""

    QUEUED = "QUEUED"
    RESERVED = "RESERVED"
    ASSIGNED = "ASSIGNED"
    CLOSED = "CLOSED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    QUARANTINED = "QUARANTINED"
    """Its record cannot be read: it is kept aside, and may be routed again."""
    RETURNED = "RETURNED"
    """It is nobody's: no agent, no place in the queue; it may be routed again."""


class Cause(StrEnum):
    """Why a contact is in its state."""

    OFFERED = "OFFERED"
    NOBODY_FREE = "NOBODY_FREE"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    OFFER_EXPIRED = "OFFER_EXPIRED"
    AGENT_LEFT = "AGENT_LEFT"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    WAIT_EXPIRED = "WAIT_EXPIRED"
    CONVERSATION_EXPIRED = "CONVERSATION_EXPIRED"
    TRANSFER_ASKED = "TRANSFER_ASKED"
    TRANSFERRED = "TRANSFERRED"
    TRANSFER_OFFERED = "TRANSFER_OFFERED"
    TRANSFER_WITHDRAWN = "TRANSFER_WITHDRAWN"
    IDLE = "IDLE"
    ACTIVE = "ACTIVE"
    AGENT_REMOVED = "AGENT_REMOVED"
    POOL_REMOVED = "POOL_REMOVED"
    ASSIGNED = "ASSIGNED"
    UNREADABLE = "UNREADABLE"
    NO_FIRST_RESPONSE = "NO_FIRST_RESPONSE"
    LOST = "LOST"


CONTACT_NEXT: dict[ContactState, frozenset[ContactState]] = {
    ContactState.QUEUED: frozenset(
        {
            ContactState.RESERVED,
            ContactState.ASSIGNED,
            ContactState.CANCELED,
            ContactState.EXPIRED,
            ContactState.QUARANTINED,
        }
    ),
    ContactState.RESERVED: frozenset(
        {
            ContactState.QUEUED,
            ContactState.RETURNED,
            ContactState.ASSIGNED,
            ContactState.CANCELED,
            ContactState.EXPIRED,
        }
    ),
    ContactState.ASSIGNED: frozenset(
        {
            ContactState.CLOSED,
            ContactState.QUEUED,
            ContactState.RETURNED,
            ContactState.RESERVED,
            ContactState.CANCELED,
            ContactState.EXPIRED,
        }
    ),
    ContactState.QUARANTINED: frozenset(
        {
            ContactState.QUEUED,
            ContactState.RESERVED,
            ContactState.ASSIGNED,
            ContactState.CANCELED,
            ContactState.EXPIRED,
        }
    ),
    ContactState.RETURNED: frozenset(
        {
            ContactState.QUEUED,
            ContactState.RESERVED,
            ContactState.ASSIGNED,
            ContactState.CANCELED,
            ContactState.EXPIRED,
        }
    ),
    ContactState.CLOSED: frozenset(),
    ContactState.CANCELED: frozenset(),
    ContactState.EXPIRED: frozenset(),
}

ENDED = frozenset(state for state, after in CONTACT_NEXT.items() if not after)
"""The final states of a contact."""

HOLDING = frozenset({ReservationState.PENDING, ReservationState.ACCEPTED, ReservationState.WRAPPING})
"""The states in which a reservation holds capacity; in every other state it holds none."""

LAPSES_TO: dict[ReservationState, ReservationState] = {
    ReservationState.PENDING: ReservationState.EXPIRED,
    ReservationState.ACCEPTED: ReservationState.EXPIRED,
}
"""The state that an offer and a conversation become once the deadline has passed; a wrap-up becomes the state that its
conversation ended with."""


def read_state(
    state: ReservationState, deadline_ms: int, now_ms: int, ends: ReservationState = ReservationState.COMPLETED
) -> ReservationState:
    """Return the state at `now_ms`, also if nothing has written the lapse down; times in ms of the store's clock.

    ends: what the conversation of a wrap-up ended with.
    """
    if deadline_ms > now_ms:
        return state
    return ends if state is ReservationState.WRAPPING else LAPSES_TO.get(state, state)
