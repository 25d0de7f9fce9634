"""Whatever is done in whatever order, at whichever server: the service does what plain Python would."""

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
from tests.state_machine.house import Repeating
from tests.state_machine.lines import Lines
from tests.state_machine.words import WordEncoder
from tests.store.access import PRODUCT, Admin, as_user, make_users

EXAMPLES: Final = int(os.environ.get("STATE_MACHINE_EXAMPLES", "40"))
STEPS: Final = int(os.environ.get("STATE_MACHINE_STEPS", "40"))


def test_the_service_does_what_plain_python_would() -> None:
    """Any order of registering, changing, routing, accepting, declining, lapsing, completing, repeating, restarting.

    STATE_MACHINE_EXAMPLES and STATE_MACHINE_STEPS make it longer; it takes another way each time then.
    """
    longer = "STATE_MACHINE_EXAMPLES" in os.environ
    with tempfile.TemporaryDirectory(prefix="mt-") as folder, new_runner() as runner:
        store = runner.run(EmbeddedStore.open(EmbeddedSettings(Path(folder))))
        connection, encoder = Repeating(as_user(store.url, PRODUCT)), WordEncoder()
        floors = runner.run(prepared(store, connection, encoder))

        class ServiceHere(Lines):
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
    """Return a loop of its own, that leaves those of other tests alone."""
    return asyncio.Runner(loop_factory=asyncio.new_event_loop)


async def prepared(store: EmbeddedStore, connection: Repeating, encoder: WordEncoder) -> AffinityFloors:
    """Make the store's users, and what all servers share."""
    admin: Admin = Redis.from_url(store.url)
    await make_users(admin)
    # Nobody is killed here, so nothing needs to reach the disk.
    await admin.config_set("appendonly", "no")
    await admin.aclose()
    await connection.start()
    return await AffinityFloors.open(encoder)
