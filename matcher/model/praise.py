"""Praise: what customers agreed that an agent, and who manages the agent, may read of them."""

from __future__ import annotations

from dataclasses import dataclass

from matcher.model.contacts import Page


@dataclass(frozen=True, slots=True, repr=False)
class Praise:
    """A customer's words about an agent. Never logged.

    number: grows within the site; corrected words get a new one. source: who passed them on.
    """

    agent: str
    contact: str
    text: str
    source: str
    number: int
    at_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Readers:
    """Whose praise is asked for: that of an agent, or with a manager that of all whom the manager manages now."""

    agent: str = ""
    manager: str = ""


@dataclass(frozen=True, slots=True)
class PraisePage:
    """A page of praise, the latest first.

    last: the number of the site's last praise when the page was read, from which a watch goes on.
    """

    page: Page[Praise]
    last: int
