"""Values of a file's record: texts, times, numbers and truths, as people and spreadsheets write them."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from matcher.client import Violation

TRUTHS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "yes", "1"), True),
    **dict.fromkeys(("", "false", "no", "0"), False),
}

DAY_SECONDS: Final = 86_400


def text(record: Mapping[str, object], field: str, wrong: list[Violation]) -> str:
    """Return a text; "" where the record has none, or where it is wrong."""
    value = record.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        wrong.append(Violation(field, "is not a text"))
        return ""
    if any("\ud800" <= character <= "\udfff" for character in value):
        wrong.append(Violation(field, "is not UTF-8"))
        return ""
    return value


def time(record: Mapping[str, object], field: str, wrong: list[Violation]) -> Timestamp | None:
    """Return a time that is given as RFC 3339 or as a day, which begins at midnight UTC; None where there is none."""
    given = text(record, field, wrong).strip()
    if not given:
        return None
    stamp = time_of(given)
    if stamp is None:
        wrong.append(Violation(field, f"is {given[:64]!r}, no time such as 2026-11-30 or 2026-11-30T12:00:00Z"))
    return stamp


def time_of(given: str) -> Timestamp | None:
    """Return a time that is given as RFC 3339 or as a day, which begins at midnight UTC; None where it is none."""
    try:
        moment = datetime.fromisoformat(given)
        stamp = Timestamp()
        stamp.FromDatetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
    return stamp


def observed(record: Mapping[str, object], field: str, wrong: list[Violation]) -> Timestamp | None:
    """Return a time as `time` does, but a day as its end (see `observed_of`)."""
    stamp = time(record, field, wrong)
    return observed_of(text(record, field, []).strip()) if stamp is not None else None


def observed_of(given: str) -> Timestamp | None:
    """Return a time that is given as RFC 3339, or as a day: its last second (UTC), or now while the day lasts.

    At the beginning of the day the contact of which something was observed may not have begun.
    """
    stamp = time_of(given)
    if stamp is not None and _is_day(given):
        stamp.seconds = max(stamp.seconds, min(stamp.seconds + DAY_SECONDS - 1, int(clock.time())))
    return stamp


def _is_day(given: str) -> bool:
    try:
        date.fromisoformat(given)
    except ValueError:
        return False
    return True


def truth(record: Mapping[str, object], field: str, wrong: list[Violation]) -> bool:
    """Return a truth value; false where the record has none, or where it is wrong."""
    value = record.get(field)
    if isinstance(value, bool) or value is None:
        return bool(value)
    known = TRUTHS.get(str(value).strip().casefold())
    if known is None:
        wrong.append(Violation(field, "is none of true, false, yes, no, 1, 0"))
    return bool(known)


def decimal(record: Mapping[str, object], field: str, wrong: list[Violation]) -> float | None:
    """Return a number with or without a fraction; None where the record has none, or where it is wrong."""
    value = record.get(field)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        wrong.append(Violation(field, "is not a number"))
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        wrong.append(Violation(field, f"is {str(value)[:32]!r}, not a number such as 7 or 7.5"))
        return None
    if not math.isfinite(number):
        wrong.append(Violation(field, "is not a finite number"))
        return None
    return number
