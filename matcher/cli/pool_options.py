"""Options of the commands that create and change a pool, and the fields that they set."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Seconds = float | None
DisplayName = Annotated[str | None, typer.Option("--name", help="The pool's display name.")]
Offer = Annotated[Seconds, typer.Option("--offer", help="Seconds until an offer expires.")]
Accepted = Annotated[Seconds, typer.Option("--accepted", help="Seconds until an accepted reservation expires.")]
WrapUp = Annotated[
    Seconds, typer.Option("--wrap-up", help="Seconds after a conversation before the agent has free capacity again.")
]
WrapUpComplete = Annotated[
    Seconds, typer.Option("--wrap-up-complete", help="As --wrap-up, but only after a completed conversation.")
]
WrapUpTransfer = Annotated[
    Seconds, typer.Option("--wrap-up-transfer", help="As --wrap-up, but only for the agent who handed a contact on.")
]
WrapUpCancel = Annotated[
    Seconds, typer.Option("--wrap-up-cancel", help="As --wrap-up, after a canceled conversation; default: 0.")
]
WrapUpExpiry = Annotated[
    Seconds, typer.Option("--wrap-up-expiry", help="As --wrap-up, after an expired conversation; default: 0.")
]


class SecondCompletes(StrEnum):
    """What a second complete of a reservation does."""

    ENDS_WRAP_UP = "ENDS_WRAP_UP"
    CHANGES_NOTHING = "CHANGES_NOTHING"


SecondComplete = Annotated[
    SecondCompletes | None,
    typer.Option(
        "--second-complete",
        case_sensitive=False,
        help="What a second `complete` does; ENDS_WRAP_UP is the former behaviour, kept for one release.",
    ),
]
Floor = Annotated[float | None, typer.Option("--floor", help="Affinity below which a message falls back.")]
Tolerance = Annotated[
    float | None, typer.Option("--tolerance", help="Agents within this affinity of the best count as equal.")
]
Scorer = Annotated[
    str | None,
    typer.Option(
        "--scorer", help="The scorer: packaged, untrained, or a file's name in the service's MATCHER_SCORERS."
    ),
]
ProfileWeight = Annotated[
    float | None,
    typer.Option(
        "--profile-weight", help="How much a customer's interests count where the message says too little; 0: never."
    ),
]


class Switch(StrEnum):
    """Whether something is done."""

    ON = "ON"
    OFF = "OFF"


Listening = Annotated[
    Switch | None,
    typer.Option("--listening", case_sensitive=False, help="Count what customers bring up, for `matcher coverage`."),
]
Wait = Annotated[Seconds, typer.Option("--wait", help="Seconds that a contact may wait in the queue.")]
WaitWeight = Annotated[float | None, typer.Option("--wait-weight", help="Affinity that a second of waiting is worth.")]
HeadStart = Annotated[
    Seconds, typer.Option("--head-start", help="Seconds that contacts are ahead of those of other pools.")
]
MaxMissed = Annotated[
    int | None, typer.Option("--max-missed", help="Missed offers in a row after which an agent is set AWAY; 0: never.")
]
MaxDeclined = Annotated[
    int | None,
    typer.Option("--max-declined", help="Declined offers in a row after which an agent is set AWAY; 0: never."),
]
ReturnWithin = Annotated[
    Seconds,
    typer.Option("--return-within", help="Seconds of silence after which a heartbeat alone brings no agent back."),
]
Idle = Annotated[
    Seconds, typer.Option("--idle", help="Seconds without activity after which a conversation uses no capacity.")
]
FirstResponse = Annotated[
    Seconds,
    typer.Option(
        "--first-response", help="Seconds after which an agent who accepted and has not answered loses the contact."
    ),
]
Relationship = Annotated[
    Seconds,
    typer.Option("--relationship", help="Seconds that a customer is led back to an agent who served them well."),
]
RelationshipWait = Annotated[
    Seconds,
    typer.Option("--relationship-wait", help="Seconds that a contact waits for the agent that its customer knows."),
]
Window = Annotated[Seconds, typer.Option("--window", help="Seconds of messages that are decided jointly.")]
SmallTalk = Annotated[
    Path | None,
    typer.Option(
        "--small-talk", metavar="FILE", help="Sentences that say nothing about a topic, one a line: never compared."
    ),
]


ControlShare = Annotated[
    float | None,
    typer.Option(
        "--control-share",
        help="Share of new contacts, 0 to 0.5, whose agent is chosen by load, to compare what becomes of them.",
    ),
]


class ControlRelationships(StrEnum):
    """What becomes of the relationships of control contacts."""

    KEEP = "KEEP"
    FORGO = "FORGO"


ControlRelationship = Annotated[
    ControlRelationships | None,
    typer.Option(
        "--control-known",
        case_sensitive=False,
        help="Whether control contacts KEEP the agent who served their customer well, or FORGO the agent.",
    ),
]


class Overloaded(StrEnum):
    """What becomes of a message that cannot be compared with interests."""

    REFUSE = "REFUSE"
    FALLBACK = "FALLBACK"


WhenOverloaded = Annotated[
    Overloaded | None,
    typer.Option(
        "--when-overloaded",
        case_sensitive=False,
        help="A message that the encoder cannot take: REFUSE it, or FALLBACK to the least utilized agent.",
    ),
]

DURATIONS = {
    "offer_duration": "offer",
    "accepted_duration": "accepted",
    "wrap_up_duration": "wrap_up",
    "wait_duration": "wait",
    "head_start": "head_start",
    "idle_duration": "idle",
    "first_response_duration": "first_response",
    "relationship_duration": "relationship",
    "relationship_wait": "relationship_wait",
    "matching_window": "window",
    "return_within_duration": "return_within",
    "wrap_up.after_complete": "wrap_up_complete",
    "wrap_up.after_transfer": "wrap_up_transfer",
    "wrap_up.after_cancel": "wrap_up_cancel",
    "wrap_up.after_expiry": "wrap_up_expiry",
}
NUMBERS = {
    "affinity_floor": "floor",
    "affinity_tolerance": "tolerance",
    "profile_weight": "profile_weight",
    "wait_weight": "wait_weight",
    "max_missed": "max_missed",
    "max_declined": "max_declined",
    "control_share": "control_share",
}
OPTIONS = {
    "display_name": "name",
    "scorer": "scorer",
    "small_talk": "small-talk",
    "when_overloaded": "when-overloaded",
    "second_complete_ends_wrap_up": "second_complete",
    "listening": "listening",
    "control_forgoes_relationships": "control_known",
    **DURATIONS,
    **NUMBERS,
}
"""The option of each field that can be set."""
