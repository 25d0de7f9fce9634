"""The delay of an offer from the queue after an agent becomes free: with two servers, and after one has died."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.alone import run_alone, say
from benchmarks.sizes import Sizes
from benchmarks.slices import Figures
from benchmarks.stores import service, start_server
from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb

OFFERS: Final = {"tiny": 50, "quick": 300, "full": 1_000}
DEATHS: Final = {"tiny": 1, "quick": 3, "full": 10}
OTHERS: Final = {"tiny": 100, "quick": 2_000, "full": 5_000}
"""Contacts that wait all the time for a skill that no agent has."""
CALLERS: Final = 8
TEXT: Final = "I keep honey bees, and the smoker arrived with a dent."
PATIENCE_SECONDS: Final = 30.0


async def measure(sizes: Sizes) -> Figures:
    """Measure the time from the end of a conversation, reported to one server, until another server shows the offer."""
    say("waiting: from the end of a conversation to the next offer")
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        data_dir = Path(folder) / "data"
        async with service(data_dir, {}) as first:
            store = first.settings_beside()
            log = Path(folder) / "second.log"
            process, target = await start_server(data_dir, log, store)
            try:
                async with MatcherClient(first.target) as first_client, MatcherClient(target) as second_client:
                    await _open_desk(first_client, OTHERS[sizes.name])
                    delays = await _offer_delays(first_client, second_client, OFFERS[sizes.name])
            finally:
                await _end(process)
            deaths = [await _death(data_dir, store, first.target, number) for number in range(DEATHS[sizes.name])]
    return {
        "waiting_offer_p50_ms": float(np.median(delays)) * 1000,
        "waiting_offer_p99_ms": float(np.quantile(delays, 0.99)) * 1000,
        "waiting_offers": len(delays),
        "waiting_others": OTHERS[sizes.name],
        "waiting_offer_after_death_seconds": max(deaths),
    }


async def _open_desk(client: MatcherClient, others: int) -> None:
    capacity = roster.Capacity(total=1, channels=[roster.ChannelCapacity(channel="chat", cost=1)])
    bea = roster.Agent(interests=["I keep honey bees."], capacity=capacity, status=roster.ONLINE)
    await client.create_agent("bea", bea)
    waiting = iter(range(others))

    async def caller() -> None:
        for number in waiting:
            await client.route(TEXT, required_skills={"law": 1}, contact_id=f"o{number}", wait=True)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def _offer_delays(first: MatcherClient, second: MatcherClient, count: int) -> list[float]:
    """Return the delay of each offer in seconds, including the call that reads the contact."""
    reservation = (await first.route(TEXT, auto_accept=True)).reservation.name
    delays = []
    for number in range(count):
        contact = f"c{number}"
        await second.route(TEXT, contact_id=contact, wait=True)
        freed = time.monotonic()
        await (first, second)[number % 2].complete(reservation)
        delays.append(await _offered(first, contact, freed))
        reservation = (await first.contact(contact)).reservation
        await first.accept(reservation)
    await first.complete(reservation)
    return delays


async def _offered(client: MatcherClient, contact: str, since: float) -> float:
    while (await client.contact(contact)).state != pb.CONTACT_RESERVED:
        if time.monotonic() - since > PATIENCE_SECONDS:
            raise RuntimeError(f"{contact} was not offered")
    return time.monotonic() - since


async def _death(folder: Path, store: dict[str, str], heir: str, number: int) -> float:
    """Return the seconds from the death of the server that queued a contact until another server offers it."""
    process, target = await start_server(folder, folder / f"doomed-{number}.log", store)
    async with MatcherClient(heir) as after:
        async with MatcherClient(target) as before:
            reservation = (await before.route(TEXT, auto_accept=True)).reservation.name
            contact = f"d{number}"
            await before.route(TEXT, contact_id=contact, wait=True)
            process.kill()
            await process.communicate()
        died = time.monotonic()
        await after.complete(reservation)
        delay = await _offered(after, contact, died)
        last = (await after.contact(contact)).reservation
        await after.accept(last)
        await after.complete(last)
        return delay


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    await process.communicate()


if __name__ == "__main__":
    run_alone(measure)
