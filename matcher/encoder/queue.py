"""The texts that wait to be encoded, in the order in which they are due.

A text is due at the moment it came plus an allowance for the size of the call it belongs to. So a short message
overtakes long ones that came shortly before it, and nothing starves: with time every text becomes the most due.
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

# Seconds of age that one token is worth: a call of 300 tokens lets calls of 20 that come within 0.28 s go first.
# About ten times what a token takes to encode, so that overtaking is rare where nothing is queued.
SECONDS_PER_TOKEN = 0.001
# How many texts are cut into tokens at once, and how many of known length a batch is chosen among.
WINDOW = 64


@dataclass(slots=True, eq=False)
class Call:
    """Somebody's texts: answered when the last vector is there, at once when a batch fails, never when abandoned."""

    future: asyncio.Future[Vectors]
    priority: Priority
    vectors: Vectors
    missing: int
    waiting_texts: int = 0
    waiting_tokens: int = 0
    over: bool = False


@dataclass(slots=True, eq=False)
class Waiter:
    """One row of a call, and what it takes of the queue's room."""

    call: Call
    row: int
    text: str
    estimate: int
    since: float


@dataclass(slots=True, eq=False)
class Text:
    """A text cut into tokens, and everyone who waits for its vector."""

    due: float
    tokens: Tokens
    waiters: list[Waiter] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Return its number of tokens."""
        return self.tokens.length

    @property
    def live(self) -> bool:
        """Return whether anyone still waits for it."""
        return any(not waiter.call.over for waiter in self.waiters)


class Lane:
    """The texts of one priority: as they came, in a heap, and a window of those whose length is known.

    Every method is called under one lock.
    """

    def __init__(self) -> None:
        self._came: list[tuple[float, int, Waiter]] = []
        self._cut: list[Text] = []
        self._by_text: dict[str, Text] = {}
        self._count = 0
        self._given_up = False
        self.tokens = 0

    def __bool__(self) -> bool:
        """Return whether there is something to do."""
        return bool(self._came or self._cut)

    def add(self, waiter: Waiter, due: float) -> None:
        """Put a text in line."""
        self._count += 1
        heapq.heappush(self._came, (due, self._count, waiter))
        self._occupy(waiter, 1)

    def give_up(self, call: Call) -> int:
        """Free the room of a call that is over; return how many of its texts will not be encoded."""
        call.over = self._given_up = True
        dropped = call.waiting_texts
        self.tokens -= call.waiting_tokens
        call.waiting_texts = call.waiting_tokens = 0
        return dropped

    def take_uncut(self) -> list[tuple[float, Waiter]]:
        """Take what has to be cut into tokens before the next batch can be chosen; empty when nothing has to."""
        taken: list[tuple[float, Waiter]] = []
        while self._came and len(taken) < WINDOW:
            due, _, waiter = self._came[0]
            if not waiter.call.over and len(self._cut) + len(taken) >= WINDOW and due >= self._cut[-1].due:
                break
            heapq.heappop(self._came)
            if not waiter.call.over:
                taken.append((due, waiter))
        return taken

    def put_cut(self, taken: Sequence[tuple[float, Waiter]], tokens: Sequence[Tokens]) -> None:
        """Put texts back, cut, but for those given up meanwhile; the same text is one text, whoever brought it."""
        for (due, waiter), cut in zip(taken, tokens, strict=True):
            if waiter.call.over:
                continue
            known = self._by_text.get(waiter.text)
            if known is not None:
                known.waiters.append(waiter)
                continue
            text = Text(due, cut, [waiter])
            self._by_text[waiter.text] = text
            insort(self._cut, text, key=_due)

    def take_batch(self, layout: Layout) -> list[Text]:
        """Take the texts of the next run of the model; nobody's texts are thrown away."""
        if self._given_up:
            self._given_up = False
            for text in self._cut:
                if not text.live:
                    del self._by_text[text.tokens.text]
            self._cut = [text for text in self._cut if text.live]
        if not self._cut:
            return []
        chosen = set(layout.choose([text.length for text in self._cut]))
        batch = [text for index, text in enumerate(self._cut) if index in chosen]
        self._cut = [text for index, text in enumerate(self._cut) if index not in chosen]
        for text in batch:
            del self._by_text[text.tokens.text]
            for waiter in text.waiters:
                if not waiter.call.over:
                    self._occupy(waiter, -1)
        return batch

    def waiters(self) -> list[Waiter]:
        """Return everyone who still waits here."""
        everyone = [waiter for _, _, waiter in self._came]
        everyone += [waiter for text in self._cut for waiter in text.waiters]
        return [waiter for waiter in everyone if not waiter.call.over]

    def _occupy(self, waiter: Waiter, sign: int) -> None:
        waiter.call.waiting_texts += sign
        waiter.call.waiting_tokens += sign * waiter.estimate
        self.tokens += sign * waiter.estimate


def _due(text: Text) -> float:
    return text.due


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has, without cutting it: four bytes each, and the two at its ends.

    Bytes, not characters, because scripts other than Latin have more tokens a character.
    """
    return len(text.encode("utf-8")) // 4 + 3


def due(now: float, tokens: int) -> float:
    """Return the moment that orders a call of so many tokens, in the unit of `now`, seconds."""
    return now + tokens * SECONDS_PER_TOKEN
