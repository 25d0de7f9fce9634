"""Test of the service against a plain model: any calls, in any order, at either of two servers."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from redis.asyncio import Redis

from matcher.replica.affinity_floors import AffinityFloors
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from tests.state_machine.service_instance import RepeatingClient
from tests.state_machine.supervisors import Supervisors
from tests.state_machine.words import WordEncoder
from tests.store.access import PRODUCT, Admin, as_user, make_users

EXAMPLES: Final = int(os.environ.get("STATE_MACHINE_EXAMPLES", "40"))
STEPS: Final = int(os.environ.get("STATE_MACHINE_STEPS", "40"))


def test_the_service_does_what_the_plain_model_does() -> None:
    """Any order of registering, changing, routing, accepting, declining, lapsing, completing, repeating, restarting.

    STATE_MACHINE_EXAMPLES and STATE_MACHINE_STEPS make it longer; then each run draws other steps.
    """
    longer = "STATE_MACHINE_EXAMPLES" in os.environ
    with tempfile.TemporaryDirectory(prefix="mt-") as folder, new_runner() as runner:
        store = runner.run(EmbeddedStore.open(EmbeddedSettings(Path(folder))))
        connection, encoder = RepeatingClient(as_user(store.url, PRODUCT)), WordEncoder()
        floors = runner.run(prepared(store, connection, encoder))

        class ServiceHere(Supervisors):
            def __init__(self) -> None:
                super().__init__(runner, connection, encoder, floors)

        try:
            run_state_machine_as_test(
                ServiceHere,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    derandomize=not longer,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(floors.close())
            runner.run(connection.close())
            runner.run(store.close())


def new_runner() -> asyncio.Runner:
    """Return a runner with an event loop of its own, apart from the loops of other tests."""
    return asyncio.Runner(loop_factory=asyncio.new_event_loop)


async def prepared(store: EmbeddedStore, connection: RepeatingClient, encoder: WordEncoder) -> AffinityFloors:
    """Create the store's users, and open what all servers share."""
    admin: Admin = Redis.from_url(store.url)
    await make_users(admin)
    # The store is never killed here, so nothing needs to be on disk.
    await admin.config_set("appendonly", "no")
    await admin.aclose()
    await connection.start()
    return await AffinityFloors.open(encoder)
