"""Removal of sites in the background: each runs to its end, whatever becomes of the call that asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog

from matcher.aio import BackgroundTasks, cancel_and_wait
from matcher.errors import StoreUnavailable
from matcher.store.sites import Deletion, SiteStore

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 1.0


class SiteRemoval:
    """Remove the keys of sites whose deletion has begun; one task for each."""

    def __init__(
        self,
        store: SiteStore,
        tasks: BackgroundTasks | None = None,
        on_removal: Callable[[Deletion], Awaitable[None]] | None = None,
    ) -> None:
        """on_removal: awaited with each deletion before the site's keys go."""
        self._store = store
        self._on_removal = on_removal
        self._tasks = tasks or BackgroundTasks()
        self._running: dict[Deletion, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Stop the tasks; a later start, or another process, goes on with them."""
        for task in tuple(self._running.values()):
            await cancel_and_wait(task)

    async def remove(self, deletion: Deletion) -> None:
        """Remove a site's keys, or wait for the task that does; the task outlives a caller who goes away."""
        await asyncio.shield(self.start(deletion))

    def start(self, deletion: Deletion) -> asyncio.Task[None]:
        """Return the task that removes a site's keys: a running one, or a new one."""
        task = self._running.get(deletion)
        if task is None:
            name = f"delete {deletion.site}"
            task = self._running[deletion] = self._tasks.start(name, partial(self._remove, deletion))
            task.add_done_callback(lambda _: self._running.pop(deletion))
        return task

    async def _remove(self, deletion: Deletion) -> None:
        while True:
            try:
                if self._on_removal is not None:
                    await self._on_removal(deletion)
                await self._store.delete(deletion)
            except StoreUnavailable as fault:
                log.warning("the deletion of a site waits for the store", site=deletion.site, why=fault.why)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                log.info("site removed", site=deletion.site)
                return
