"""A gateway in front of the shared service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.processes import Server
from tests.web.gateway import Gateway, open_gateway


@pytest.fixture(scope="session")
async def gateway(service: Server) -> AsyncIterator[Gateway]:
    """Give a gateway to the shared service."""
    async with open_gateway(service.target) as gateway:
        yield gateway
