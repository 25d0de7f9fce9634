"""The basis of a decision: why an agent was chosen."""

from __future__ import annotations

from enum import StrEnum


class Basis(StrEnum):
    """Why an agent was chosen."""

    AFFINITY = "AFFINITY"
    RELATIONSHIP = "RELATIONSHIP"
    FALLBACK = "FALLBACK"
    CONTROL = "CONTROL"
    PREFERRED = "PREFERRED"
    TRANSFER = "TRANSFER"
    ASSIGNED = "ASSIGNED"
