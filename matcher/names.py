"""Resource names, as the API and its error messages write them; and ids for what has none."""

from __future__ import annotations

import secrets


def new_id() -> str:
    """Return an id nobody can guess, of 80 random bits."""
    return secrets.token_hex(10)


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
    """Return the name of a contact."""
    return f"sites/{site}/contacts/{contact}"


def reservation_name(site: str, reservation: str) -> str:
    """Return the name of a reservation."""
    return f"sites/{site}/reservations/{reservation}"


def decision_name(site: str, decision: str) -> str:
    """Return the name of a decision."""
    return f"sites/{site}/decisions/{decision}"
