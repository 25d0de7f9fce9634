"""Queue of texts to encode, in the order in which they are due.

A text is due at its arrival plus an allowance for the size of its request. So a short message overtakes long messages
that arrived shortly before it, and no text starves: every text is due first in the end.
"""

from __future__ import annotations

import asyncio
import heapq
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from matcher.encoder.layout import Layout
from matcher.encoder.protocols import Tokens, Vectors
from matcher.encoder.settings import Priority

# Each token of a request moves its due time back by this: requests of 20 tokens that arrive within 0.28 s go before one
# of 300.
# About ten times what a token takes to encode, so that overtaking is rare where nothing is queued.
SECONDS_PER_TOKEN = 0.001
# How many texts are tokenized at once, and from how many tokenized texts a batch is chosen.
WINDOW = 64


@dataclass(slots=True, eq=False)
class EncodeRequest:
    """The texts of one call of `encode`.

    `future` is set when the last vector is there, or at once when a batch fails; a cancelled request is never answered.
    """

    future: asyncio.Future[Vectors]
    priority: Priority
    vectors: Vectors
    missing: int
    """Vectors still to be written into `vectors`."""
    queued_texts: int = 0
    queued_tokens: int = 0
    closed: bool = False
    """Whether the request is answered or cancelled."""


@dataclass(slots=True, eq=False)
class QueuedText:
    """One text of a request: the row of its vector, and the tokens by which it counts against the queue's limit."""

    request: EncodeRequest
    row: int
    text: str
    estimate: int
    since: float


@dataclass(slots=True, eq=False)
class TokenizedText:
    """A text cut into tokens, with all queued texts that are equal to it."""

    due: float
    tokens: Tokens
    queued: list[QueuedText] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Return its number of tokens."""
        return self.tokens.length

    @property
    def live(self) -> bool:
        """Return whether a request still needs its vector."""
        return any(not queued.request.closed for queued in self.queued)


class Lane:
    """The queued texts of one priority: a heap of those not tokenized, and a window of those whose length is known.

    The caller holds one lock for every method.
    """

    def __init__(self) -> None:
        self._untokenized: list[tuple[float, int, QueuedText]] = []
        self._window: list[TokenizedText] = []
        self._by_text: dict[str, TokenizedText] = {}
        self._count = 0
        self._cancelled = False
        self.tokens = 0
        """Estimated tokens of all queued texts."""

    def __bool__(self) -> bool:
        """Return whether a text is queued."""
        return bool(self._untokenized or self._window)

    def add(self, queued: QueuedText, due: float) -> None:
        """Queue a text."""
        self._count += 1
        heapq.heappush(self._untokenized, (due, self._count, queued))
        self._count_tokens(queued, 1)

    def cancel(self, request: EncodeRequest) -> int:
        """Close a request and release its share of the queue's limit; return how many of its texts stay unencoded."""
        request.closed = self._cancelled = True
        dropped = request.queued_texts
        self.tokens -= request.queued_tokens
        request.queued_texts = request.queued_tokens = 0
        return dropped

    def take_untokenized(self) -> list[tuple[float, QueuedText]]:
        """Take the texts that must be tokenized before the next batch can be chosen, each with when it is due."""
        taken: list[tuple[float, QueuedText]] = []
        while self._untokenized and len(taken) < WINDOW:
            due, _, queued = self._untokenized[0]
            if not queued.request.closed and len(self._window) + len(taken) >= WINDOW and due >= self._window[-1].due:
                break
            heapq.heappop(self._untokenized)
            if not queued.request.closed:
                taken.append((due, queued))
        return taken

    def put_tokenized(self, taken: Sequence[tuple[float, QueuedText]], tokens: Sequence[Tokens]) -> None:
        """Put tokenized texts in the window, except those cancelled meanwhile; equal texts become one."""
        for (due, queued), cut in zip(taken, tokens, strict=True):
            if queued.request.closed:
                continue
            equal = self._by_text.get(queued.text)
            if equal is not None:
                equal.queued.append(queued)
                continue
            text = TokenizedText(due, cut, [queued])
            self._by_text[queued.text] = text
            insort(self._window, text, key=_due)

    def take_batch(self, layout: Layout) -> list[TokenizedText]:
        """Take the texts of the next run of the model; texts that no request needs are dropped first."""
        if self._cancelled:
            self._cancelled = False
            for text in self._window:
                if not text.live:
                    del self._by_text[text.tokens.text]
            self._window = [text for text in self._window if text.live]
        if not self._window:
            return []
        chosen = set(layout.choose([text.length for text in self._window]))
        batch = [text for index, text in enumerate(self._window) if index in chosen]
        self._window = [text for index, text in enumerate(self._window) if index not in chosen]
        for text in batch:
            del self._by_text[text.tokens.text]
            for queued in text.queued:
                if not queued.request.closed:
                    self._count_tokens(queued, -1)
        return batch

    def queued(self) -> list[QueuedText]:
        """Return the queued texts of all open requests."""
        texts = [queued for _, _, queued in self._untokenized]
        texts += [queued for text in self._window for queued in text.queued]
        return [queued for queued in texts if not queued.request.closed]

    def _count_tokens(self, queued: QueuedText, sign: int) -> None:
        queued.request.queued_texts += sign
        queued.request.queued_tokens += sign * queued.estimate
        self.tokens += sign * queued.estimate


def _due(text: TokenizedText) -> float:
    return text.due


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has, without tokenizing it: one for four bytes, and the two at its ends.

    Bytes, not characters, because scripts other than Latin have more tokens a character.
    """
    return len(text.encode("utf-8")) // 4 + 3


def due(now: float, tokens: int) -> float:
    """Return when a request of the given number of tokens is due, in the unit of `now`, seconds."""
    return now + tokens * SECONDS_PER_TOKEN
