"""The fixture of two servers on one store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.state_machine.pair import Pair, open_pair


@pytest.fixture
async def pair(store_url: str) -> AsyncIterator[Pair]:
    """Give two servers that follow a new site and have applied all its events."""
    async with open_pair(store_url) as pair:
        yield pair
