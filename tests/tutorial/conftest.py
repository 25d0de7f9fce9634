"""The site on which the tutorial plays: three agents who are ONLINE, each free for one chat."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from matcher.client import MatcherClient
from tests.people import hire, person
from tests.processes import Server


@pytest.fixture
async def client(service: Server) -> AsyncIterator[MatcherClient]:
    """Give a client of a new site with Bea, Tom and Sam."""
    async with service.client(await service.site()) as client:
        await hire(
            client,
            {
                "bea": person("I keep honey bees behind the house.", display_name="Bea"),
                "tom": person("I photograph steam trains.", display_name="Tom"),
                "sam": person("I sail a small boat along the coast.", display_name="Sam"),
            },
        )
        yield client
