"""The ledger as the service uses it: off, or a database that one thread writes to and any call may read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from matcher.errors import LedgerOff
from matcher.ledger.database import LedgerDatabase
from matcher.ledger.reader import LedgerReader
from matcher.ledger.writer import LedgerWriter

T = TypeVar("T")


class Ledger:
    """The ledger of this process. Without a database it is off, and every use of it raises LedgerOff."""

    def __init__(self, database: LedgerDatabase | None = None, newest_digest: Callable[[str], str] = str) -> None:
        """newest_digest: returns a customer's digest by the newest key, of a digest by any."""
        self._database = database
        self._newest_digest = newest_digest
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._checked = False

    @property
    def is_on(self) -> bool:
        """Whether the service keeps a ledger."""
        return self._database is not None

    @property
    def database(self) -> LedgerDatabase:
        """Return the database. Raises LedgerOff."""
        if self._database is None:
            raise LedgerOff
        return self._database

    @property
    def writer(self) -> LedgerWriter:
        """Return what writes to the database; for `write` only. Raises LedgerOff."""
        return LedgerWriter(self.database, self._newest_digest)

    async def write(self, work: Callable[[], T]) -> T:
        """Run work in the one thread that writes. Raises what the work raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def read(self, work: Callable[[LedgerReader], T]) -> T:
        """Run work that reads, in a thread. Raises LedgerOff, LedgerAway, and what the work raises."""
        database = self.database
        if not self._checked:
            await asyncio.to_thread(database.check)
            self._checked = True
        return await asyncio.to_thread(work, LedgerReader(database))

    async def close(self) -> None:
        """Wait for the write that is under way, and close the database."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._database is not None:
            await asyncio.to_thread(self._database.close)
