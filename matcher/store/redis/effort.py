"""How long a call to the store goes on while servers are away, as in a failover."""

from __future__ import annotations

import asyncio
from typing import Final

PATIENCE_SECONDS: Final = 1.0
CUT_OFF: Final = 2
"""How often a command is sent again whose answer was cut off: it may have run each time."""
REDIRECTIONS: Final = 3
FIRST_PAUSE_SECONDS: Final = 0.02
LONGEST_PAUSE_SECONDS: Final = 0.2


class Effort:
    """Count what one call has tried since its first fault."""

    def __init__(self) -> None:
        self._until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        self._pause = FIRST_PAUSE_SECONDS
        self._cut_off = 0
        self._redirections = 0

    def redirected(self) -> bool:
        """Tell whether a server that was named may be asked at once."""
        self._redirections += 1
        return self._redirections <= REDIRECTIONS

    async def again(self, *, cut_off: bool) -> bool:
        """Pause; tell whether the command may be sent again."""
        self._cut_off += cut_off
        if self._cut_off > CUT_OFF or asyncio.get_running_loop().time() + self._pause > self._until:
            return False
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        return True
