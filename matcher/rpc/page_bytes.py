"""Pages of lists as messages: a page ends where another entry would make it larger than every client takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from google.protobuf.message import Message

from matcher.model import PAGE_BYTES, Page
from matcher.rpc.validation.violations import page_token

Item = TypeVar("Item")
Entry = TypeVar("Entry", bound=Message)

FRAME_BYTES: Final = 6
"""What an entry adds to its own bytes in the answer, at most: a tag, and a length of up to 2^35."""


def fitting(page: Page[Item], listing: str, convert: Callable[[Item], Entry]) -> tuple[list[Entry], str]:
    """Return the entries of a page that fit into PAGE_BYTES, one at least, and the token of the page after them."""
    return first_fitting(page, listing, map(convert, page.items))


def first_fitting(page: Page[Item], listing: str, entries: Iterable[Entry]) -> tuple[list[Entry], str]:
    """Return the first entries of a page that fit into PAGE_BYTES, one at least, and the token of the page after them.

    entries: those of the page's items, in their order.
    """
    fits: list[Entry] = []
    size = 0
    for entry in entries:
        size += entry.ByteSize() + FRAME_BYTES
        if fits and size > PAGE_BYTES:
            return fits, page_token(page.places[len(fits) - 1], listing)
        fits.append(entry)
    return fits, page_token(page.next, listing)
