"""Steps: what the outbox holds of the lives of contacts until the ledger has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

UNMATCHED: Final = "UNMATCHED"
"""The kind of the step that says: no agent was found, and the contact did not wait. No other step has the contact."""
OUTCOME: Final = "OUTCOME"
"""The kind of the step that says what became of a contact afterwards."""

CUSTOMER: Final = "customer|"
AGENT: Final = "agent|"
NAMED: Final = "named|"
"""What a person whose rows are to go begins with: the digest of a customer's handle follows, or an agent's id, or the
resource name of either, by which the audit trail has values of the person.
"""


class Step(msgspec.Struct, frozen=True, gc=False):
    """One step. It has no word of a customer, and no vector.

    number: grows within the site. contact, born: which life of which contact, and when it began, in milliseconds.
    kind: a Cause, or UNMATCHED, or OUTCOME. sequence: the number of the step in the contact's own history. facts: by
    name what else is known, 'name=value;' one after another.
    """

    number: int
    kind: str
    contact: str
    born_ms: int
    at_ms: int
    sequence: int
    state: str
    pool: str
    reservation: str
    agent: str
    facts: str

    def known(self) -> Mapping[str, str]:
        """Return the facts by name."""
        return dict(fact.split("=", 1) for fact in self.facts.split(";") if "=" in fact)


def without_agent(facts: str, agent: str) -> str:
    """Return facts without an agent's id, which stands there between signs that no id has."""
    return re.sub(rf"(?<=[=|,]){re.escape(agent)}(?=[;|])", "", facts) if agent in facts else facts
