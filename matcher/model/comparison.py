"""The comparison of routing by affinity with routing by load: its arms, who takes part, and the other arm's choice."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

import msgspec

from matcher.model.basis import Basis

MOST_CONTROL_SHARE: Final = 0.5


class Arm(StrEnum):
    """How a contact's agents are chosen, as drawn when the contact began."""

    TREATMENT = "TREATMENT"
    """By affinity, as without a comparison."""
    CONTROL = "CONTROL"
    """By the rule of FALLBACK: the lowest load over capacity, of equals the longest idle."""


class Part(StrEnum):
    """Whether a decision takes part in the comparison, or why it does not: what chose the agent instead of the arm."""

    TOOK_PART = "TOOK_PART"
    PREFERRED = "PREFERRED"
    """The request preferred the agent."""
    RELATIONSHIP = "RELATIONSHIP"
    """The agent served the customer well before."""
    TRANSFER = "TRANSFER"
    """A transfer named the agent."""
    ASSIGNED = "ASSIGNED"
    """The contact was assigned by hand."""
    DEGRADED = "DEGRADED"
    """The message was not compared with interests."""


class Draw(msgspec.Struct, frozen=True):
    """The arm that a contact was given, and the share of contacts that were given CONTROL then."""

    arm: Arm
    control_share: float

    @property
    def probability(self) -> float:
        """Return how likely this arm was."""
        return self.control_share if self.arm is Arm.CONTROL else 1 - self.control_share

    @property
    def packed(self) -> str:
        """Return the draw as a contact's record holds it."""
        return f"{self.arm}|{self.control_share!r}"

    @classmethod
    def unpacked(cls, stored: str) -> Self | None:
        """Return the draw that a contact's record holds; None: the contact has no arm."""
        arm, _, share = stored.partition("|")
        return cls(Arm(arm), float(share)) if stored else None


class WouldBe(msgspec.Struct, frozen=True):
    """The choice that the rule of the other arm would have made, by what was known then.

    agent: "": that rule would have chosen nobody. affinity: of this agent and the message. basis: why the service
    chooses where there is no control: AFFINITY, or FALLBACK where the message says too little. It is the same for both
    arms, so that contacts can be compared which would have been AFFINITY in either.
    """

    agent: str
    basis: Basis
    affinity: float


class Comparison(msgspec.Struct, frozen=True):
    """What a decision says for the comparison.

    draw None: an assignment by hand of a contact without an arm. would_be None: another rule chose the agent than an
    arm's. Of an assignment by hand it is the service's own choice at that moment.
    """

    draw: Draw | None
    part: Part
    would_be: WouldBe | None = None

    @property
    def packed(self) -> str:
        """Return the comparison as the records of a reservation and a decision hold it."""
        would = self.would_be
        other = f"{would.agent}|{would.basis}|{would.affinity:.4g}" if would else "||"
        return f"{self.draw.packed if self.draw else '|'}|{self.part}|{other}"

    @classmethod
    def unpacked(cls, stored: str) -> Self | None:
        """Return the comparison that a record holds; None where it holds none."""
        if not stored:
            return None
        arm, share, part, agent, basis, affinity = stored.split("|")
        would = WouldBe(agent, Basis(basis), float(affinity)) if basis else None
        return cls(Draw(Arm(arm), float(share)) if arm else None, Part(part), would)


class SeenAgent(msgspec.Struct, frozen=True):
    """What the store saw of a candidate when it chose: load and idle time, or what kept the agent from the contact.

    refused: the constraint, or GONE; "": the agent had enough free capacity.
    """

    agent: str
    load: int = 0
    total: int = 0
    idle_since_ms: int = 0
    refused: str = ""

    @property
    def utilization(self) -> float:
        """Return the load over the capacity, as the store computes it."""
        return self.load / self.total if self.total else 0.0


def unpacked_seen(stored: str) -> tuple[SeenAgent, ...]:
    """Return what the store saw of each candidate, in the order in which it looked at them."""
    seen = []
    for entry in filter(None, stored.split(";")):
        agent, *said = entry.split("|")
        if len(said) == 1:
            seen.append(SeenAgent(agent, refused=said[0]))
        else:
            load, total, idle_since_ms = map(int, said)
            seen.append(SeenAgent(agent, load, total, idle_since_ms))
    return tuple(seen)
