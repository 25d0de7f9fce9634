"""Share of the encoder that many messages at once may take: they go on a few at a time, and single ones in between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from matcher.errors import ServiceOverloaded

RUN_CHARACTERS: Final = 500
"""Characters that fill one run of the model, 128 tokens, which takes a core some 8 ms. That is the longest
wait of a single message where every core is taken; where a core is left, a single message does not wait."""
ENCODING_SHARE: Final = 0.6
"""The part of a call's time in which its messages may begin to be encoded; the rest is for the decisions."""


class EncoderShare:
    """Lets messages to the encoder in the order in which they ask, up to a number of characters at once."""

    def __init__(self, runs: int = 1, at_once: int = RUN_CHARACTERS) -> None:
        """Let messages have `runs` runs of the model at once, of `at_once` characters each."""
        self.at_once = at_once
        self._most = runs * at_once
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def taken(self) -> int:
        """Return how many characters are with the encoder."""
        return self._taken

    @asynccontextmanager
    async def of(self, characters: int, until: float | None = None) -> AsyncIterator[None]:
        """Wait for room for the given number of characters, at most the whole share; free it at the end of the block.

        until: by the loop's clock; a message whose turn comes later raises ServiceOverloaded. None: there is time.
        """
        loop = asyncio.get_running_loop()
        wanted = min(characters, self._most)
        if self._waiting or self._taken + wanted > self._most:
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.append((wanted, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._give_back(wanted)  # its turn came at the moment its caller went
                raise
        else:
            self._taken += wanted
        try:
            if until is not None and loop.time() > until:
                raise ServiceOverloaded
            yield
        finally:
            self._give_back(wanted)

    def _give_back(self, characters: int) -> None:
        self._taken -= characters
        while self._waiting:
            wanted, turn = self._waiting[0]
            if turn.done():  # a cancelled caller left a turn that is done
                self._waiting.popleft()
            elif self._taken + wanted <= self._most:
                self._waiting.popleft()
                self._taken += wanted
                turn.set_result(None)
            else:
                return
