"""A store that comes back without its last writes: what it acknowledged and lost is told, contact by contact."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from contextlib import aclosing
from pathlib import Path

from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Store, metric

BEES = "The smoker for my bees arrived with a dent."
FILES = "appendonlydir"
LOST = "the store lost what it had acknowledged"


async def forget_since(store: Store, copy: Path) -> None:
    """Kill the store, and start it on an earlier copy of its data."""
    await store.end(signal.SIGKILL)
    shutil.rmtree(store.folder / FILES)
    shutil.copytree(copy, store.folder / FILES)
    await store.start()


async def test_what_a_store_lost_is_told_in_every_watch_of_the_contact(launch: StartServer, tmp_path: Path) -> None:
    """A contact that is gone is RETURNED with the cause LOST; one of which a step is gone goes on from before it."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        store = Store(Path(folder))
        await store.start()
        try:
            server = await launch({"MATCHER_STORE_URL": store.url})
            async with server.client() as client:
                await hire(client, {"ana": person("keeping honey bees", most=2)})
                before = await client.route(BEES, contact_id="before")
                shutil.copytree(store.folder / FILES, tmp_path / "copy")
                after = await client.route(BEES, contact_id="after")
                await client.accept(before.reservation.name)
                told: dict[str, list[pb.ContactEvent]] = {"before": [], "after": []}

                async def watch(contact: str, after: int = 0) -> None:
                    async with aclosing(client.watch_contact(contact, after_sequence=after)) as steps:
                        async for step in steps:
                            told[contact].append(step)
                            if step.cause == pb.CAUSE_LOST:
                                return

                watches = [asyncio.create_task(watch(contact)) for contact in told]

                async def both_watched() -> bool:
                    return len(told["before"]) == 2 and len(told["after"]) == 1

                await wait_until(both_watched, "both contacts are watched")
                await forget_since(store, tmp_path / "copy")
                async with asyncio.timeout(60):
                    await asyncio.gather(*watches)

                gone, kept = told["after"][-1], told["before"][-1]
                assert (gone.state, gone.reservation) == (pb.CONTACT_RETURNED, after.reservation.name)
                assert (kept.state, kept.sequence, kept.reservation) == (
                    pb.CONTACT_RESERVED,
                    3,
                    before.reservation.name,
                )
                found = await client.contact("after")
                assert (found.state, found.cause) == (pb.CONTACT_RETURNED, pb.CAUSE_LOST)
                assert (await client.agent("ana")).load == 1
                again = await client.route(BEES, contact_id="after")
                assert again.reservation.agent.endswith("/ana")
                assert await metric(server, "matcher_contacts_lost_total") == 2
                assert server.log().count(LOST) == 2

                # A store that comes back empty has not even the site: the open streams are told, and end.
                told["after"].clear()
                last = asyncio.create_task(watch("after", found.sequence))

                async def watched() -> bool:
                    return bool(told["after"]) and told["after"][-1].state == pb.CONTACT_RESERVED

                await wait_until(watched, "the contact is watched again")
                await store.end(signal.SIGKILL)
                shutil.rmtree(store.folder / FILES)
                await store.start()
                async with asyncio.timeout(60):
                    await last
                assert told["after"][-1].cause == pb.CAUSE_LOST
                assert server.log().count(LOST) == 4
        finally:
            await store.end()
