"""How often what happens is read: at once after a silence, and else so seldom that much of it is read together."""

from __future__ import annotations

import asyncio


class Pace:
    """Keeps a moment between two readings, which whoever cannot wait ends."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._moment: asyncio.Future[None] | None = None

    async def keep(self) -> None:
        """Wait until the moment is over."""
        loop = asyncio.get_running_loop()
        self._moment = loop.create_future()
        timer = loop.call_later(self._seconds, self.hurry)
        try:
            await self._moment
        finally:
            timer.cancel()
            self._moment = None

    def hurry(self) -> None:
        """End the moment that is being kept, if one is."""
        if self._moment is not None and not self._moment.done():
            self._moment.set_result(None)
