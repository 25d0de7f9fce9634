"""The fields of a pool's policy, each in a sentence with its default; a test holds the table against the proto."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """How a field is written in a form."""

    SPAN = "span"
    NUMBER = "number"
    COUNT = "count"
    SWITCH = "switch"
    TEXT = "text"
    LINES = "lines"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Field:
    """A field; path: as a mask names it. default: what holds where the field is empty."""

    path: str
    kind: Kind
    title: str
    sentence: str
    default: str
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that belong together."""

    title: str
    fields: tuple[Field, ...]


GROUPS: Final = (
    Group(
        "Who gets a message",
        (
            Field(
                "affinity_floor",
                Kind.NUMBER,
                "Floor",
                "An affinity below it meets no interest: the message falls back to the least utilized agent. 0 to 1.",
                "computed from the pool's roster, for each language",
            ),
            Field(
                "affinity_tolerance",
                Kind.NUMBER,
                "Tolerance",
                "Agents whose affinity is this near the best count as "
                "equal; of them the least utilized is chosen. 0 to 1.",
                "MATCHER_AFFINITY_TOLERANCE of the service",
            ),
            Field(
                "profile_weight",
                Kind.NUMBER,
                "Profile weight",
                "How much what a customer brings along counts, where "
                "the message itself says too little. 0 to 1; 0: never.",
                "1",
            ),
            Field(
                "scorer",
                Kind.TEXT,
                "Scorer",
                "The scorer that ranks: packaged, untrained, or a file of MATCHER_SCORERS.",
                "MATCHER_SCORER of the service",
            ),
            Field(
                "small_talk",
                Kind.LINES,
                "Small talk",
                "Sentences that say nothing about a topic, one a line: they are not compared.",
                "those that the service knows, in sixteen languages",
            ),
            Field(
                "relationship_duration",
                Kind.SPAN,
                "Relationship",
                "How long a customer who was served well goes to the same agent again.",
                "not at all",
            ),
            Field(
                "relationship_wait",
                Kind.SPAN,
                "Wait for the known agent",
                "How long such a contact is kept for that agent, who is online but busy.",
                "not at all",
            ),
            Field(
                "matching_window",
                Kind.SPAN,
                "Matching window",
                "Collects the messages of this time and decides them together. At most 1 s.",
                "each message is decided at once",
            ),
            Field(
                "when_overloaded",
                Kind.CHOICE,
                "When overloaded",
                "What becomes of a message that cannot be compared, because the encoder is full or broken.",
                "the call is refused",
                (("1", "refuse the call"), ("2", "take the least utilized agent")),
            ),
        ),
    ),
    Group(
        "Offers and waiting",
        (
            Field("offer_duration", Kind.SPAN, "Offer", "How long an offer waits for an answer.", "30 s"),
            Field("wait_duration", Kind.SPAN, "Wait", "How long a contact may wait, unless the request says.", "1 h"),
            Field(
                "wait_weight",
                Kind.NUMBER,
                "Wait weight",
                "How much affinity a second of waiting is worth, where waiting "
                "contacts compete for the same agent. Above 0, at most 1.",
                "0.01",
            ),
            Field(
                "head_start",
                Kind.SPAN,
                "Head start",
                "How far the pool's contacts are ahead of those of other pools, where they compete for the same agent.",
                "none",
            ),
            Field(
                "max_missed",
                Kind.COUNT,
                "Missed offers",
                "After this number of missed offers in a row an agent is set away. 0: never.",
                "3",
            ),
            Field(
                "max_declined",
                Kind.COUNT,
                "Declined offers",
                "After this number of declined offers in a row an agent is set away. 0: never.",
                "never",
            ),
            Field(
                "return_within_duration",
                Kind.SPAN,
                "Return within",
                "After a longer silence of the desk a heartbeat alone brings no agent back.",
                "15 min",
            ),
        ),
    ),
    Group(
        "Conversations",
        (
            Field(
                "accepted_duration",
                Kind.SPAN,
                "Conversation",
                "How long an accepted contact lasts unless it is renewed.",
                "4 h",
            ),
            Field(
                "first_response_duration",
                Kind.SPAN,
                "First answer",
                "Who accepted and has not answered the customer by then loses the contact.",
                "not demanded",
            ),
            Field(
                "idle_duration",
                Kind.SPAN,
                "Idle",
                "After this time without activity a conversation no longer counts against the agent's capacity.",
                "it always counts",
            ),
            Field(
                "wrap_up_duration",
                Kind.SPAN,
                "Wrap-up",
                "How long the agent's capacity stays held after a conversation that was completed or transferred.",
                "none",
            ),
            Field(
                "wrap_up.after_complete",
                Kind.SPAN,
                "Wrap-up after completion",
                "The same, after a completed conversation alone.",
                "the wrap-up above",
            ),
            Field(
                "wrap_up.after_transfer",
                Kind.SPAN,
                "Wrap-up after a transfer",
                "The same, of the agent who handed the contact on.",
                "the wrap-up above",
            ),
            Field(
                "wrap_up.after_cancel",
                Kind.SPAN,
                "Wrap-up after a cancellation",
                "The same, after a conversation that was canceled.",
                "none",
            ),
            Field(
                "wrap_up.after_expiry",
                Kind.SPAN,
                "Wrap-up after an expiry",
                "The same, after a conversation that was neither completed nor renewed in time.",
                "none",
            ),
            Field(
                "second_complete_ends_wrap_up",
                Kind.SWITCH,
                "A second completion ends the wrap-up",
                "The former way, for one release: call EndWrapUp instead.",
                "off",
            ),
        ),
    ),
    Group(
        "What is learned",
        (
            Field(
                "listening",
                Kind.SWITCH,
                "Listening",
                "Counts what customers bring up, for the page Coverage. No word is kept.",
                "off",
            ),
            Field(
                "control_share",
                Kind.NUMBER,
                "Control share",
                "The share of new contacts whose agents are chosen by load, to compare what becomes of them. 0 to 0.5.",
                "nothing is compared",
            ),
            Field(
                "control_forgoes_relationships",
                Kind.SWITCH,
                "Control forgoes relationships",
                "Control contacts also forgo the agent who served their customer well.",
                "off",
            ),
            Field("display_name", Kind.TEXT, "Name", "The name that people see; at most 128 characters.", "the id"),
        ),
    ),
)
FIELDS: Final = tuple(field for group in GROUPS for field in group.fields)
BY_PATH: Final = {field.path: field for field in FIELDS}

WITH_RECORDS: Final = frozenset({"affinity_floor", "affinity_tolerance"})
"""Fields whose change can be tried on recorded decisions."""
WITH_MESSAGES: Final = frozenset({"profile_weight", "scorer", "small_talk"})
"""Fields that need the message, which no record keeps."""
