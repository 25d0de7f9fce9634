"""The fixture of a service that asks callers who they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.auth.guarded import Guarded, guarded_service


@pytest.fixture(scope="session")
async def guarded(folder: Path) -> AsyncIterator[Guarded]:
    """Give a service in this process, shared: each file makes sites of its own."""
    (folder / "guarded").mkdir()
    async with guarded_service(folder / "guarded") as service:
        yield service
