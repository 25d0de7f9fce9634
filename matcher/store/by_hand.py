"""Assignments by hand in the store: their terms, and the answers that refuse them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from matcher.errors import AgentFull, AgentNotFound, ConstraintsUnmet, MatcherError
from matcher.model import Constraint
from matcher.model.lifecycle import Cause
from matcher.model.resource_names import agent_name
from matcher.store import verbs
from matcher.store.schema import ASSIGNED_SINCE


@dataclass(frozen=True, slots=True)
class ByHand:
    """The terms of an assignment by hand.

    sequence: of the contact's last step when the caller read it, 0: there was no contact. profile_version: of the agent
    then. unmet: the constraints that the profile does not meet; ignored: those that need not be met. replaces: the
    request's requirements replace the contact's. actor, reason: who assigns, and why, in the caller's words.
    """

    sequence: int
    profile_version: int
    unmet: Sequence[Constraint]
    ignored: Set[Constraint]
    replaces: bool
    over_capacity: bool
    actor: str
    reason: str = ""

    def part(self, *, accepted: bool, schema: int) -> verbs.ByHand:
        """Return the terms as the verb takes them; schema: what this process writes."""
        before = Cause.ACCEPTED if accepted else Cause.OFFERED
        return verbs.ByHand(
            sequence=str(self.sequence or ""),
            profile_version=self.profile_version,
            unmet=_between_semicolons(self.unmet),
            ignored=_between_semicolons(sorted(self.ignored)),
            replaces="1" if self.replaces else "",
            over="1" if self.over_capacity else "",
            actor=self.actor,
            reason=self.reason,
            cause=Cause.ASSIGNED if schema >= ASSIGNED_SINCE else before,
        )


def refusal_by_hand(site: str, agent: str, answer: Sequence[Any]) -> MatcherError | None:
    """Return the error that an answer of the store stands for; None for any other answer."""
    match answer:
        case [b"no_agent"]:
            return AgentNotFound(agent_name(site, agent))
        case [b"unmet", constraints]:
            unmet = constraints.decode().split(",")
            listed = [constraint.value for constraint in Constraint if constraint in unmet]
            return ConstraintsUnmet(agent_name(site, agent), listed)
        case [b"agent_full", load, total]:
            return AgentFull(agent_name(site, agent), int(load), int(total))
    return None


def _between_semicolons(constraints: Sequence[Constraint]) -> str:
    return "".join(f";{constraint}" for constraint in constraints) + ";"
