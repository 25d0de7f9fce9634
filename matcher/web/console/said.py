"""Words of the console for what the API says in names: bases, constraints, parts that were set aside, steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from matcher.v1 import routing_pb2 as pb

BASES: Final[Mapping[int, str]] = {
    pb.AFFINITY: "The message meets this agent's interests.",
    pb.RELATIONSHIP: "This agent served the customer well before.",
    pb.FALLBACK: "The message meets no interest well enough: the least utilized agent, of equals the longest idle.",
    pb.CONTROL: "The contact is control in a comparison: the least utilized agent, of equals the longest idle.",
    pb.PREFERRED: "The request preferred this agent.",
    pb.TRANSFER: "The contact was transferred to this agent by name.",
    pb.ASSIGNED: "A person assigned the contact to this agent by hand.",
}
NO_BASIS: Final = "The service does not tell your role why this agent was chosen."

LEFT_OUT: Final[Mapping[int, tuple[str, str]]] = {
    pb.CONSTRAINT_POOL: ("in another pool", "Put agents into this pool on the page People."),
    pb.CONSTRAINT_EXCLUDED: ("excluded", "The request, or the contact's history, excludes these agents."),
    pb.CONSTRAINT_CHANNEL: ("not on this channel", "The agents' capacity has no cost for this channel."),
    pb.CONSTRAINT_LANGUAGE: ("without the language", "Add the language to agents who speak it, or let it expire."),
    pb.CONSTRAINT_SKILL: ("without a required skill", "Add the skill to agents who have it, or let it expire."),
    pb.CONSTRAINT_STATUS: ("not online", "They are away, offline, or finish their last conversations."),
    pb.CONSTRAINT_CAPACITY: ("busy", "Their capacity is held by offers, conversations or wrap-ups."),
    pb.CONSTRAINT_KEPT_FOR_WAITING: ("kept for contacts that wait", "A contact that may wait takes its turn."),
}
"""By constraint: what it says of an agent whom it leaves out, and what a person can do."""

ASIDE: Final[Mapping[int, str]] = {
    pb.SET_ASIDE_QUOTE: "a quoted message",
    pb.SET_ASIDE_REPLY_HEADER: "the lines above a quote",
    pb.SET_ASIDE_SIGNATURE: "a signature",
    pb.SET_ASIDE_DISCLAIMER: "a disclaimer",
    pb.SET_ASIDE_MARKUP: "mark-up",
    pb.SET_ASIDE_STYLE: "a style sheet or script",
    pb.SET_ASIDE_URL: "an address",
    pb.SET_ASIDE_BASE64: "an encoded file",
    pb.SET_ASIDE_NUMBER: "a number",
    pb.SET_ASIDE_SMALL_TALK: "small talk",
    pb.SET_ASIDE_UNKNOWN: "no word that the model knows",
}
UNALIGNED: Final = "The HTML has a tag that never ends, so the whole text was compared."

CAUSES: Final[Mapping[int, str]] = {
    pb.CAUSE_OFFERED: "offered to {agent}",
    pb.CAUSE_NOBODY_FREE: "nobody was free: the contact waits",
    pb.CAUSE_ACCEPTED: "{agent} accepted",
    pb.CAUSE_DECLINED: "{agent} declined",
    pb.CAUSE_OFFER_EXPIRED: "{agent} did not answer in time",
    pb.CAUSE_AGENT_LEFT: "{agent} left before answering",
    pb.CAUSE_COMPLETED: "the conversation with {agent} ended",
    pb.CAUSE_CANCELED: "the caller canceled the contact",
    pb.CAUSE_WAIT_EXPIRED: "the longest wait was over",
    pb.CAUSE_CONVERSATION_EXPIRED: "the conversation's deadline passed",
    pb.CAUSE_TRANSFER_ASKED: "a transfer began; {agent} keeps the contact until another agent is reserved",
    pb.CAUSE_TRANSFERRED: "transferred to {agent}",
    pb.CAUSE_IDLE: "the conversation went idle: it no longer counts against {agent}'s capacity",
    pb.CAUSE_ACTIVE: "the conversation is active again",
    pb.CAUSE_AGENT_REMOVED: "{agent} was removed from the roster",
    pb.CAUSE_UNREADABLE: "the message could not be read any more",
    pb.CAUSE_POOL_REMOVED: "the pool was removed",
    pb.CAUSE_NO_FIRST_RESPONSE: "{agent} accepted and did not answer the customer in time",
    pb.CAUSE_LOST: "the store lost what it had acknowledged of the contact",
    pb.CAUSE_ASSIGNED: "assigned to {agent} by hand",
    pb.CAUSE_TRANSFER_OFFERED: "offered to {agent}, while the former agent talks on",
    pb.CAUSE_TRANSFER_WITHDRAWN: "the offer of the transfer was withdrawn",
}

STATES: Final[Mapping[int, str]] = {
    pb.CONTACT_QUEUED: "waits",
    pb.CONTACT_RESERVED: "is offered",
    pb.CONTACT_ASSIGNED: "is served",
    pb.CONTACT_RETURNED: "came back",
    pb.CONTACT_CLOSED: "has ended",
    pb.CONTACT_CANCELED: "was canceled",
    pb.CONTACT_EXPIRED: "waited too long",
    pb.CONTACT_QUARANTINED: "is kept aside: its message cannot be read",
}


def left_out(constraint: int) -> str:
    """Return what a constraint says of an agent whom it leaves out."""
    known = LEFT_OUT.get(constraint)
    return known[0] if known else f"left out by a rule that this console does not know ({constraint})"


def short(name: str) -> str:
    """Return the id in a resource name."""
    return name.rpartition("/")[2]
