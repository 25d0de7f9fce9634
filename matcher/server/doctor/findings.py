"""Findings of the doctor: what was looked at, what is there, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a finding is."""

    OK = "ok"
    WARN = "warn"
    """Calls are served now; something will go wrong, or is not as it should be."""
    FAIL = "fail"
    """The service does not start, or does not serve."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `do` says what to do; "" where nothing is to be done."""

    about: str
    state: State
    found: str
    do: str = ""


def ok(about: str, found: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(about, State.OK, found)


def warn(about: str, found: str, do: str) -> Finding:
    """Return a finding that needs somebody's attention."""
    return Finding(about, State.WARN, found, do)


def fail(about: str, found: str, do: str) -> Finding:
    """Return a finding for which the service does not serve."""
    return Finding(about, State.FAIL, found, do)
