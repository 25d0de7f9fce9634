"""A blocking client: every method of `matcher.client.MatcherClient`, without asyncio.

>>> with MatcherClient("localhost:50051", site="default") as client:
...     answer = client.route("My tent leaks, and we leave for the coast on Friday.")

Its types are in sync.pyi, which `python -m tests.client.sync_types` writes.
"""

from __future__ import annotations

import threading
from typing import Any, Self

from matcher.client import MatcherClient as AsynchronousClient
from matcher.client.blocking import LoopThread, Stream, blocking

__all__ = ["MatcherClient", "Stream"]

OWN = frozenset({"open", "close", "parent"})


class MatcherClient:
    """Calls the service for one site and waits for each answer; any number of threads may share a client.

    Arguments, methods, answers and errors are those of the asynchronous client, which works in a thread of its own.
    Open it with `with`, or with `open` and `close`. A method that yields there returns an iterator here: `close` it, or
    use it in a `with` block; closing it, from any thread, ends the iteration. After a fork open a new client.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        self._client = AsynchronousClient(*given, **named)
        self._thread: LoopThread | None = None
        self._opening = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._client, name)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> Self:
        """Open the channels."""
        with self._opening:
            if self._thread is None:
                thread = LoopThread()
                try:
                    thread.run(self._client.__aenter__())
                except BaseException:
                    thread.close()
                    raise
                self._thread = thread
        return self

    def close(self) -> None:
        """Close the channels; calls in flight, and streams, end."""
        with self._opening:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.run(self._client.close())
            thread.close()

    def _loop_thread(self) -> LoopThread:
        if self._thread is None:
            raise RuntimeError("the client is closed: open it with `with`")
        return self._thread


for _name in dir(AsynchronousClient):
    _method = getattr(AsynchronousClient, _name)
    if not _name.startswith("_") and _name not in OWN:
        setattr(MatcherClient, _name, blocking(_method))
