"""Messages with their requirements, candidates with their reasons, and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from matcher.model.basis import Basis
from matcher.model.comparison import Comparison, SeenAgent
from matcher.model.roster import DEFAULT_CHANNEL, DEFAULT_POOL


class Degraded(StrEnum):
    """Why a message was not compared with interests."""

    ENCODER_FULL = "ENCODER_FULL"
    ENCODER_BROKEN = "ENCODER_BROKEN"


class Constraint(StrEnum):
    """The hard constraints, in the order in which they are applied; the store alone knows of the last one."""

    POOL = "POOL"
    EXCLUDED = "EXCLUDED"
    CHANNEL = "CHANNEL"
    LANGUAGE = "LANGUAGE"
    SKILL = "SKILL"
    STATUS = "STATUS"
    CAPACITY = "CAPACITY"
    KEPT_FOR_WAITING = "KEPT_FOR_WAITING"


@dataclass(frozen=True, slots=True)
class Requirements:
    """The hard constraints of a message."""

    pool: str = DEFAULT_POOL
    channel: str = DEFAULT_CHANNEL
    language: str = ""
    skills: Mapping[str, int] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    only: str = ""
    """The only agent who may have the message; "": every agent who meets the other requirements."""
    language_expires_ms: int | None = None
    """How long after the contact's beginning the language is required; None: for ever."""
    skills_expire_ms: Mapping[str, int] = field(default_factory=dict)
    """The same of each skill that is not required for ever."""


@dataclass(frozen=True, slots=True)
class Preferred:
    """An agent who is offered the message before all others.

    kept_ms: how long after its beginning a waiting contact is kept for the agent; 0: not at all.
    """

    agent: str
    basis: Basis
    kept_ms: int = 0


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A requirement that lapsed, and when; skill "": the language."""

    skill: str
    language: str
    at_ms: int


PLAIN: Final = "text/plain"
HTML: Final = "text/html"
MOST_COMPARED: Final = 8_000
"""Characters of a message that are compared, when the others are set aside."""


class AsideKind(StrEnum):
    """What a part of a text is that is not compared."""

    QUOTE = "QUOTE"
    REPLY_HEADER = "REPLY_HEADER"
    SIGNATURE = "SIGNATURE"
    DISCLAIMER = "DISCLAIMER"
    MARKUP = "MARKUP"
    STYLE = "STYLE"
    URL = "URL"
    BASE64 = "BASE64"
    NUMBER = "NUMBER"
    SMALL_TALK = "SMALL_TALK"
    UNKNOWN = "UNKNOWN"
    UNALIGNED = "UNALIGNED"


class ReasonSource(StrEnum):
    """Where the words come from that met an interest."""

    MESSAGE = "MESSAGE"
    PROFILE = "PROFILE"


class ProfileUnit(NamedTuple):
    """An interest of the customer that is compared: its id, and whether an agent's desk may be told of it."""

    id: str
    shareable: bool


class SetAside(NamedTuple):
    """A part of the caller's text that is not compared: code points, end excluded."""

    kind: AsideKind
    start: int
    end: int


class Stretch(NamedTuple):
    """A kept piece of the caller's text, from start to end, and its length in the text that is compared.

    The length differs from end - start where a tag became a line break, an entity a sign, or spaces one space.
    """

    start: int
    end: int
    length: int


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """The message a customer wrote, and its requirements. Its repr hides the text, so that no log line can show it.

    kept None: nothing was set aside yet, and `text` is the caller's own text in `media_type`. Else `text` is what is
    compared: the kept stretches one after another.
    """

    text: str
    customer: str
    requirements: Requirements
    preferred: tuple[Preferred, ...] = ()
    media_type: str = PLAIN
    kept: tuple[Stretch, ...] | None = None
    set_aside: tuple[SetAside, ...] = ()
    interests: tuple[str, ...] = ()
    """What the customer cares about, as the caller gave it for this contact."""
    interests_shareable: bool = False
    """Whether an agent's desk may be told which of the agent's interests these met."""

    @property
    def is_wordless(self) -> bool:
        """Whether nothing is said: there is neither a text nor an interest."""
        return not (self.text or self.interests)

    def with_kept(self, text: str, kept: tuple[Stretch, ...], set_aside: tuple[SetAside, ...]) -> Message:
        """Return the message with what is compared of its text. `dataclasses.replace` takes three times as long."""
        return Message(
            text,
            self.customer,
            self.requirements,
            self.preferred,
            self.media_type,
            kept,
            set_aside,
            self.interests,
            self.interests_shareable,
        )

    def __repr__(self) -> str:
        return f"Message({len(self.text)} characters)"


# A dozen reasons and candidates are made for each message: making a Struct takes a tenth of a dataclass's time.


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """A unit that matches an interest; start and end in code points of the message, 0 for a unit of the profile."""

    start: int
    end: int
    interest_id: str
    interest: str
    similarity: float
    lexical: float
    source: ReasonSource = ReasonSource.MESSAGE
    customer_interest: str = ""
    """The id of the customer's interest, where the source is the profile."""
    shareable: bool = False
    """Whether an agent's desk may be told of the customer's interest."""
    weak: bool = False
    """Whether the match counts, but is too weak to convince a person who reads the words beside the interest."""


class Candidate(msgspec.Struct, frozen=True):
    """An agent considered for a message."""

    agent: str
    display_name: str
    affinity: float
    score: float
    confidence: float
    utilization: float
    idle_since_ms: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The excluded agents by the first constraint they do not meet: counts, and ids where the request asks for them."""

    counts: Mapping[Constraint, int]
    agents: tuple[tuple[str, Constraint], ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """The candidates for a message, best first, and the rules of their order."""

    candidates: tuple[Candidate, ...]
    basis: Basis
    affinity_floor: float
    affinity_tolerance: float
    units: int
    units_merged: bool
    eligible: int
    left_out: LeftOut
    relaxed: tuple[Relaxed, ...] = ()
    scorer: str = ""
    """The fingerprint of the scorer that computed the affinities."""
    set_aside: tuple[SetAside, ...] = ()
    """The parts of the caller's text that were not compared."""
    degraded: Degraded | None = None
    """None: the message was compared with interests."""
    unknown_preferred: tuple[str, ...] = ()
    """The preferred agents who did not exist."""
    actor: str = ""
    """Who assigned the contact by hand, in the caller's words."""
    language: str = ""
    """The tag of the language in which the message is written, as identified; "": unknown."""
    comparison: Comparison | msgspec.UnsetType = msgspec.UNSET
    """UNSET: the contact has no arm. It is no part of the stored JSON: see `Record`."""

    @property
    def compared(self) -> Comparison | None:
        """Return what the decision says for the comparison; None: the contact has no arm."""
        return None if isinstance(self.comparison, msgspec.UnsetType) else self.comparison


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A ranking that holds nobody, and what it was made of.

    compared: where each unit of the text begins and ends in the text as it was sent. profile_weight: the weight of what
    the customer brings along.
    """

    ranking: Ranking
    compared: tuple[tuple[int, int], ...]
    profile_weight: float


@dataclass(frozen=True, slots=True)
class Decision:
    """The record of a decision. It never contains words of the customer."""

    id: str
    contact: str
    pool: str
    reservation: str
    agent: str
    ranking: Ranking
    model: str
    scorer: str
    created_ms: int
    agent_uid: str = ""
    pool_uid: str = ""
    ignored: tuple[Constraint, ...] = ()
    """The constraints that the agent did not meet and that an assignment by hand ignored."""
    over_capacity: bool = False
    comparison: Comparison | None = None
    """None: the contact has no arm."""
    seen: tuple[SeenAgent, ...] = ()
    """What the store saw of the candidates it considered; empty in a record of before."""
    reason: str = ""
    """Why it was assigned by hand, in the caller's words."""
