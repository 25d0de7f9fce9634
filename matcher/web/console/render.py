"""Rendering: Jinja2 with every text escaped, and the words and shapes that templates share."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from matcher.web.console.assets import Assets

FOLDER: Final = Path(__file__).parent / "templates"


def environment(assets: Assets) -> Environment:
    """Return the environment of all templates."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions: dict[str, Callable[..., Any]] = {"asset": assets.url, "now": time.time}
    filters: dict[str, Callable[..., Any]] = {
        "id": last_part,
        "iso": iso,
        "span": span,
        "initials": initials,
        "hue": hue,
        "count": count,
        "shorten": shorten,
    }
    made.globals.update(functions)
    made.filters.update(filters)
    return made


def last_part(name: str) -> str:
    """Return the id in a resource name: "fiona" of "sites/shop/agents/fiona"."""
    return name.rpartition("/")[2]


def iso(moment: Timestamp | datetime | float) -> str:
    """Return a moment as HTML's `datetime` takes it; a number: seconds since 1970."""
    if isinstance(moment, Timestamp):
        moment = moment.ToDatetime(tzinfo=UTC)
    elif not isinstance(moment, datetime):
        moment = datetime.fromtimestamp(moment, UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """Return a time span in words of one or two units: "42 s", "3 min", "2 h 5 min", "4 days"."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 48 * 3600:
        minutes = whole % 3600 // 60
        return f"{whole // 3600} h {minutes} min" if minutes else f"{whole // 3600} h"
    return f"{whole // 86400} days"


def initials(text: str) -> str:
    """Return one or two letters that stand for a person."""
    letters = [word[0] for word in text.split() if word[:1].isalnum()]
    return "".join(letters[:1] + letters[-1:] if len(letters) > 1 else letters).upper() or "·"


def hue(text: str) -> int:
    """Return one of 12 colours of a person: the same in each process and on each day."""
    return sum(text.encode()) % 12


def shorten(text: str, most: int = 60) -> str:
    """Return a text cut to a number of characters: a name of 10,000 characters is no reason for a large page."""
    return text if len(text) <= most else text[: most - 1] + "…"


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: "1 agent", "2 agents"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
