"""The habits of the clients: what they say, how often they come, and how they behave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

POOL: Final = "desk"
BEAT_SECONDS: Final = 2.0
CHANNELS: Final[Mapping[str, int]] = {"chat": 1, "call": 2}
INTERESTS: Final = (
    "I keep bees and make my own honey", "I climb boulders every weekend", "I play the cello in an orchestra",
    "I bake sourdough bread", "I restore old bicycles", "I grow orchids at home", "I sail small boats",
    "I watch birds before work", "I knit sweaters for my family", "I brew beer in my garage",
)  # fmt: skip
TEXTS: Final = (
    "My bees have swarmed and the veil is torn.", "The crash pad for bouldering came in the wrong size.",
    "The strings for my cello never arrived.", "My sourdough starter jar broke on the way.",
    "The brake of my old bicycle does not fit.", "My orchids wilt since I use your soil.",
    "Hello?", "Where is my order 4471?", "refund please", "The sail has a hole. We had to turn back.",
)  # fmt: skip
HOSTILE: Final = (
    "." * 7_999 + "a", "A-" * 3_999 + "a", "a@" * 3_000 + ":", "\u0301" * 4_000, "\U0001f469\u200d" * 2_000 + "x",
    "\x00\x01\x7f", "\u202e\u2066 refund \ufeff\u200b", "{}[]$(){{7*7}} %s %n \\u0000 '; FLUSHALL", "\r\n" * 4_000,
    "<a " * 2_600, "\ud7ff\ue000\ufffe\uffff", "ﷺ" * 400, "x" * 8_001,
)  # fmt: skip
"""Texts that were made to hurt what reads them; the last is longer than a message may be."""


@dataclass(frozen=True)
class Habits:
    """How the clients behave: shares of one, rates per second, durations in seconds."""

    sites: tuple[str, ...] = ("north", "south")
    agents: int = 14
    total: int = 2
    rate: float = 30.0
    """Contacts a second, in all sites."""
    offer: float = 2.0
    accepted: float = 30.0
    wait: float = 60.0
    wait_weight: float = 0.2
    talk: tuple[float, float] = (0.2, 1.0)
    answer: tuple[float, float] = (0.02, 0.3)
    waiting: float = 0.75
    auto_accept: float = 0.2
    declines: float = 0.08
    ignores: float = 0.05
    transfers: float = 0.08
    cancels: float = 0.06
    hangups: float = 0.04
    """The share of conversations in which the customer gives up."""
    again: float = 0.04
    """The share of contacts that are routed a second time, by another request, while an agent has them."""
    anonymous: float = 0.2
    """The share of contacts whose id the service makes."""
    twice: float = 0.08
    cut_short: float = 0.06
    calls: float = 0.2
    """The share of contacts of the channel that costs two."""
    short_waits: float = 0.06
    """The share that waits two seconds at most."""
    rare: float = 0.05
    """The share that for a second requires a skill that nobody has."""
    status_changes: float = 0.5
    assignments: float = 0.5
    beating: int = 3
    """Every so many-th desk sends heartbeats; 0: none does."""
    silences: float = 0.05
    """The share of heartbeats after which a desk is silent for too long."""
    hostile: float = 0.02
    """The share of customers who send a hostile text."""
    errands: float = 1.0
    """Batches, customers, outcomes, keys and rude requests a second of a site; 0: none, and no brief site."""
