"""Lists of the store, read page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from matcher.model import Page

T = TypeVar("T")


async def every_page(read: Callable[[str], Awaitable[Page[T]]]) -> AsyncGenerator[Page[T], None]:
    """Yield every page of a list; `read` takes the place where a page starts ("" at the beginning)."""
    after = ""
    while True:
        page = await read(after)
        yield page
        if not page.next:
            return
        after = page.next
