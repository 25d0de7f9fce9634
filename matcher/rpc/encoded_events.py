"""Answers of WatchEvents as bytes: an event is converted and encoded once, however many streams send it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from matcher.model import ContactEvent, StreamPlace
from matcher.rpc import convert
from matcher.rpc.validation.contacts import resume_token
from matcher.rpc.validation.violations import page_token
from matcher.v1 import routing_pb2 as pb

EVENTS: Final = "events"
"""What a resume token belongs to."""
MOST_KEPT: Final = 2_048
"""Events whose bytes are kept, about 300 B each. The streams of one event follow each other closely: a stream that is
further behind encodes its events again."""


class EncodedEvents:
    """Encodes the answers of all streams of this process."""

    def __init__(self, most_kept: int = MOST_KEPT) -> None:
        self.encoded = 0
        """How many answers with an event were encoded."""
        self._most_kept = most_kept
        self._kept: OrderedDict[tuple[str, StreamPlace], tuple[ContactEvent, bytes]] = OrderedDict()

    def answer(self, site: str, event: ContactEvent | None, place: StreamPlace) -> bytes:
        """Return the WatchEventsResponse of an event, or of a sign of life (None), with the token to resume from."""
        if event is None:
            return _encode(site, None, place)
        key = (site, place)
        kept = self._kept.get(key)
        # The same place of a site that was deleted and created again is another event.
        if kept is not None and (kept[0] is event or kept[0] == event):
            return kept[1]
        encoded = _encode(site, event, place)
        self.encoded += 1
        self._kept[key] = (event, encoded)
        if len(self._kept) > self._most_kept:
            self._kept.popitem(last=False)
        return encoded


def _encode(site: str, event: ContactEvent | None, place: StreamPlace) -> bytes:
    answer = pb.WatchEventsResponse(
        event=convert.contact_event(site, event) if event else None,
        resume_token=page_token(resume_token(place), EVENTS),
    )
    return answer.SerializeToString()
