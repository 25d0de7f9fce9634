"""Fixtures of the topologies: a cluster, and a primary that a Sentinel watches."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.store.topologies.nodes import Cluster, Watched, cluster_in, watched_in


@pytest.fixture(scope="session")
async def cluster() -> AsyncIterator[Cluster]:
    """Give a cluster of three primaries and a replica, shared by tests that leave every server running."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        async with cluster_in(Path(folder)) as cluster:
            yield cluster


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    """Give a primary and a replica that a Sentinel watches; the test may kill them."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        async with watched_in(Path(folder)) as watched:
            yield watched
