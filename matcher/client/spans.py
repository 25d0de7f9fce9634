"""Time spans on the wire."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration


def duration(value: timedelta | None) -> Duration | None:
    """Return a time span as the API takes it; None: not said."""
    if value is None:
        return None
    said = Duration()
    said.FromTimedelta(value)
    return said
