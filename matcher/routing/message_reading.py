"""Reading of messages: sets aside what the customer did not write now, long texts off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from matcher.affinity.set_aside import read
from matcher.errors import FieldsInvalid, FieldViolation
from matcher.model import MOST_COMPARED, PLAIN, Message

T = TypeVar("T")

AT_ONCE: Final = 1_000
"""Characters of plain text that are read on the event loop: the worst text of this length takes about 3 ms."""

_READER: Final = ThreadPoolExecutor(1, "read")
"""One thread: reading is Python, and more threads would only take turns from the event loop."""


async def in_reader(step: Callable[[Message], T], message: Message) -> T:
    """Run a step over a long text off the event loop."""
    return await asyncio.get_running_loop().run_in_executor(_READER, step, message)


async def read_message(message: Message) -> Message:
    """Return a message whose text is what is compared; one that was read before comes back unchanged.

    Raises FieldsInvalid where more than 8,000 characters remain.
    """
    if message.kept is not None:
        return message
    if message.media_type == PLAIN and len(message.text) <= AT_ONCE:
        return read(message)
    reading = await in_reader(read, message)
    if len(reading.text) > MOST_COMPARED:
        left = f"has {len(reading.text)} characters after quotes, signatures and mark-up are set aside"
        raise FieldsInvalid([FieldViolation("message.text", f"{left}; at most {MOST_COMPARED} are allowed")])
    return reading
