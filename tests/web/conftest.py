"""A door in front of the shared service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.processes import Server
from tests.web.door import Door, open_door


@pytest.fixture(scope="session")
async def door(service: Server) -> AsyncIterator[Door]:
    """Give a door to the shared service."""
    async with open_door(service.target) as door:
        yield door
