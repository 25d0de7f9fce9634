"""The records of the plain model: agents, reservations and contacts, and what each verb makes of a reservation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from matcher.model import Profile
from matcher.model.lifecycle import AgentStatus
from matcher.model.lifecycle import ContactState as Contact
from matcher.model.lifecycle import ReservationState as State

FOREVER: Final = "forever"
LATER: Final = "later"
LIVE: Final = frozenset({State.PENDING, State.ACCEPTED, State.WRAPPING})

# The state that each verb leads to from the states it fits, without a wrap-up; a repeated verb leaves it as it is.
MAKES: Final = {
    "accept": {State.PENDING: State.ACCEPTED, State.ACCEPTED: State.ACCEPTED},
    "decline": {State.PENDING: State.DECLINED, State.DECLINED: State.DECLINED},
    "renew": {State.ACCEPTED: State.ACCEPTED},
    "touch": {State.ACCEPTED: State.ACCEPTED},
    "complete": {State.ACCEPTED: State.COMPLETED, State.COMPLETED: State.COMPLETED},
    "end_wrap_up": {State.COMPLETED: State.COMPLETED},
    "cancel": {
        State.PENDING: State.CANCELED,
        State.ACCEPTED: State.CANCELED,
        State.CANCELED: State.CANCELED,
    },
}


@dataclass
class PlainAgent:
    """An agent of the roster."""

    profile: Profile
    status: AgentStatus
    declined: int = 0
    """The declined offers in a row, in pools that count them."""


@dataclass
class PlainReservation:
    """A reservation in any state."""

    agent: str
    contact: str
    channel: str
    cost: int
    fence: int
    state: State
    pool: str = ""
    lapsed: bool = False
    idle: bool = False
    unanswered: bool = False
    """Whether the agent must answer by the deadline, else loses the contact."""
    ends: State | None = None
    """What the conversation ended with, where a wrap-up followed."""
    was_idle: bool = False
    talked: bool = False
    """Whether it lapsed during the conversation, and no sweep has noted that."""
    agent_removed: bool = False
    takes_over: bool = False
    """Whether it is the offer of a transfer whose contact the old agent keeps until the answer."""

    @property
    def counts(self) -> int:
        """Return what the hold counts against the capacity: nothing while the conversation is idle."""
        return 0 if self.idle else self.cost


@dataclass
class PlainContact:
    """A contact: its state, the agents excluded for it, and whether it waits.

    waits: it may be put into the queue. may_wait_again: the same, once it comes back from a conversation. in_queue: it
    is in the queue. moving: a transfer of it waits, while an agent holds it.
    """

    state: Contact
    reservation: str
    excluded: dict[str, str] = field(default_factory=dict)
    pool: str = ""
    channel: str = ""
    auto_accept: bool = False
    only: str = ""
    preferred: str = ""
    """The agent for whom the contact is kept while it waits."""
    waits: bool = False
    may_wait_again: bool = False
    wait_is_over: bool = False
    in_queue: bool = False
    moving: bool = False
    offered: str = ""
    """The offer of a transfer, while the old agent keeps the contact."""
    lost: bool = False
    """Whether its agent did not answer in time and no sweep has noted that."""
    removed: set[str] = field(default_factory=set)
    """Excluded agents who were removed: a new agent of such an id is not excluded."""

    @property
    def barred(self) -> set[str]:
        """Return the ids of agents to whom the contact must not come."""
        return set(self.excluded) - self.removed

    def exclude(self, agent: str, until: str) -> None:
        """Note that an agent is excluded."""
        self.excluded[agent] = until
        self.removed.discard(agent)


@dataclass(frozen=True)
class Ask:
    """A request for an agent, without its id."""

    contact: str
    pool: str
    channel: str
    text: str
    auto_accept: bool
    wait: bool = False
