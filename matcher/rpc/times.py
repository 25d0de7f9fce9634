"""Times and time spans in milliseconds, converted to protobuf."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(milliseconds: int) -> Timestamp | None:
    """Convert a time; 0 means that there is none."""
    if not milliseconds:
        return None
    return Timestamp(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def duration_set(milliseconds: int) -> Duration | None:
    """Convert a time span for which 0 means that it is not set."""
    return duration(milliseconds) if milliseconds else None


def duration(milliseconds: int) -> Duration:
    """Convert a time span."""
    return Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)
