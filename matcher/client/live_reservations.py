"""Live reservations of an agent as a stream told them: finds what changed while no stream was open."""

from __future__ import annotations

from typing import Final

from matcher.v1 import routing_pb2 as pb

LIVE: Final = frozenset({pb.PENDING, pb.ACCEPTED, pb.WRAPPING})


class LiveReservations:
    """Keep an agent's live reservations over the breaks of a stream.

    A stream begins with a snapshot, the reservations that are live, and a sign of life ends the snapshot.
    """

    def __init__(self) -> None:
        self._live: dict[str, pb.Reservation] = {}
        self._snapshot: set[str] | None = None

    def begin(self) -> None:
        """Note that a stream begins."""
        self._snapshot = set()

    def note(self, reservation: pb.Reservation) -> bool:
        """Note a reservation; return whether it is new or has changed."""
        if self._snapshot is not None:
            self._snapshot.add(reservation.name)
        changed = self._live.get(reservation.name) != reservation
        if reservation.state in LIVE:
            self._live[reservation.name] = reservation
        else:
            self._live.pop(reservation.name, None)
        return changed

    def end_of_snapshot(self) -> list[str]:
        """Return the names of the reservations that were live before the stream broke and are not in the snapshot."""
        snapshot, self._snapshot = self._snapshot, None
        return [] if snapshot is None else [name for name in self._live if name not in snapshot]

    def forget(self, name: str) -> None:
        """Forget a reservation that cannot be read any more."""
        del self._live[name]
