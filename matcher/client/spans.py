"""Durations as protobuf messages."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration


def duration(value: timedelta | None) -> Duration | None:
    """Return a time span as a Duration; None for None."""
    if value is None:
        return None
    converted = Duration()
    converted.FromTimedelta(value)
    return converted
