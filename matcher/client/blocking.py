"""Blocking calls of an asynchronous client: an event loop in a thread of its own, and iterators of streams."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Generic, Self, TypeVar

T = TypeVar("T")

INSIDE: Final = (
    "a blocking call in the client's own thread would wait for itself: rows of an import, and `on_break`, may not call "
    "the client"
)


class LoopThread:
    """An event loop that runs in a thread of its own until it is closed; any thread may call `run`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="matcher-client", daemon=True)
        self._thread.start()

    def begin(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Begin work on the loop. Raises RuntimeError in the loop's own thread, and after `close`."""
        if threading.current_thread() is self._thread or self._loop.is_closed():
            work.close()
            raise RuntimeError("the client is closed" if self._loop.is_closed() else INSIDE)
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of work on the loop; a Ctrl-C in the meantime cancels the work."""
        begun = self.begin(work)
        try:
            return begun.result()
        except BaseException:
            begun.cancel()
            raise

    def forget(self, work: Coroutine[Any, Any, object]) -> None:
        """Begin work whose result nobody awaits, also from a finalizer; do nothing after `close`."""
        if self._loop.is_closed():
            work.close()
            return
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """End the loop and its thread; what still runs on it is cancelled."""
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Stream(Generic[T]):
    """An iterator of a stream, which one thread reads at a time; any thread may close it, which ends the iteration."""

    def __init__(self, loop: LoopThread, answers: AsyncIterator[T]) -> None:
        self._loop = loop
        self._answers = answers
        self._step: concurrent.futures.Future[tuple[T] | None] | None = None
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if self._closed:
            raise StopIteration
        self._step = step = self._loop.begin(_next(self._answers))
        try:
            answer = step.result()
        except concurrent.futures.CancelledError:
            answer = None
        except BaseException:
            step.cancel()
            raise
        if answer is None:
            raise StopIteration
        return answer[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._closed:
            self._loop.forget(_end(self._answers))

    def close(self) -> None:
        """End the stream at the service."""
        if self._closed:
            return
        self._closed = True
        if self._step is not None:
            self._step.cancel()
        self._loop.run(_end(self._answers))


def blocking(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the blocking method of an asynchronous client's method; the object has `_client` and `_loop_thread`."""
    if inspect.isasyncgenfunction(method):

        @functools.wraps(method)
        def streamed(self: Any, *given: Any, **named: Any) -> Any:
            return Stream(self._loop_thread(), method(self._client, *given, **named))

        return streamed
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        def called(self: Any, *given: Any, **named: Any) -> Any:
            return self._loop_thread().run(method(self._client, *given, **named))

        return called

    @functools.wraps(method)
    def computed(self: Any, *given: Any, **named: Any) -> Any:
        return method(self._client, *given, **named)

    return computed


async def _next(answers: AsyncIterator[T]) -> tuple[T] | None:
    try:
        return (await anext(answers),)
    except StopAsyncIteration:
        return None


async def _end(answers: Any) -> None:
    """End a generator; a step of it that was cancelled a moment ago may still run."""
    for _ in range(100):
        with suppress(RuntimeError):
            await answers.aclose()
            return
        await asyncio.sleep(0.01)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
