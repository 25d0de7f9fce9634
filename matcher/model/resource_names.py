"""Resource names as the API and its error messages write them, and new random ids."""

from __future__ import annotations

import os
import uuid
from typing import Final

_DIGITS: Final = 20
_AT_ONCE: Final = 64
"""Ids made from one call of the operating system: such a call costs ten times as much as making an id."""
_ready: Final[list[str]] = []


def new_id() -> str:
    """Return a new id of 80 random bits, which nobody can guess."""
    try:
        return _ready.pop()
    except IndexError:
        digits = os.urandom(_AT_ONCE * _DIGITS // 2).hex()
        _ready.extend(digits[at : at + _DIGITS] for at in range(_DIGITS, len(digits), _DIGITS))
        return digits[:_DIGITS]


def new_uid() -> str:
    """Return a new UUID (RFC 9562, version 4), by which a resource is known for ever."""
    return str(uuid.uuid4())


def site_name(site: str) -> str:
    """Return the name of a site."""
    return f"sites/{site}"


def pool_name(site: str, pool: str) -> str:
    """Return the name of a pool."""
    return f"sites/{site}/pools/{pool}"


def agent_name(site: str, agent: str) -> str:
    """Return the name of an agent."""
    return f"sites/{site}/agents/{agent}"


def contact_name(site: str, contact: str) -> str:
    """Return the name of a contact; a "/" in the id is written %2F."""
    return f"sites/{site}/contacts/{contact.replace('/', '%2F')}"


def contact_id(written: str) -> str:
    """Return the id of a contact as it stands in the contact's name, where %2F is a "/"."""
    return written.replace("%2F", "/").replace("%2f", "/")


def customer_name(site: str, customer: str) -> str:
    """Return the name of a customer."""
    return f"sites/{site}/customers/{customer}"


def reservation_name(site: str, reservation: str) -> str:
    """Return the name of a reservation."""
    return f"sites/{site}/reservations/{reservation}"


def decision_name(site: str, decision: str) -> str:
    """Return the name of a decision."""
    return f"sites/{site}/decisions/{decision}"
