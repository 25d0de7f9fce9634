"""Pages of lists that a plain gRPC client takes, whose limit is 4 MiB: a page ends at 3 MiB, whatever was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from matcher.model import PAGE_BYTES, Page
from matcher.model.roster import Pool, PoolPolicy
from matcher.rpc.page_bytes import FRAME_BYTES
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as routing
from tests.rpc.conftest import Service
from tests.rpc.doubles import BILLING, CONTACT, MAYA, OFFER

SITE = "sites/default"
INTEREST = "𝄞" * 512
FAT = tuple(f"{number:02}{INTEREST[2:]}" for number in range(64))
EXCLUDED = tuple(f"{number:03}{'a' * 60}" for number in range(256))

Lister = Callable[[Service, str], Awaitable[Any]]


def listing(items: Sequence[Any], tokens: Sequence[str]) -> Callable[..., Awaitable[Page[Any]]]:
    """Return a list method of a service: a thousand items a page, each with the place after it."""

    async def pages(_site: str, *arguments: Any, **_options: Any) -> Page[Any]:
        after = next(argument for argument in arguments if isinstance(argument, str) and argument in {"", *tokens})
        start = tokens.index(after) + 1 if after else 0
        return Page(tuple(items[start:]), "", tuple(tokens[start:]))

    return pages


def a_pool(number: int) -> Pool:
    """Return a pool with as much small talk as a pool may have."""
    return replace(BILLING, id=f"p{number:03}", policy=PoolPolicy(small_talk=FAT))


AGENTS = [replace(MAYA, id=f"a{number:03}", profile=replace(MAYA.profile, interests=FAT)) for number in range(100)]
CONTACTS = [replace(CONTACT, id=f"c-{number}", excluded=EXCLUDED) for number in range(400)]
RESERVATIONS = [structs.replace(OFFER, id=f"01J{number}", decline_reason=INTEREST) for number in range(2_500)]
POOLS = [a_pool(number) for number in range(60)]

LISTS: dict[str, tuple[str, Sequence[Any], Sequence[str], Lister]] = {
    "agents": (
        "agents",
        AGENTS,
        [agent.id for agent in AGENTS],
        lambda service, token: service.people.ListAgents(
            people.ListAgentsRequest(parent=SITE, page_size=1000, page_token=token)
        ),
    ),
    "pools": (
        "pools",
        POOLS,
        [pool.id for pool in POOLS],
        lambda service, token: service.people.ListPools(
            people.ListPoolsRequest(parent=SITE, page_size=1000, page_token=token)
        ),
    ),
    "contacts": (
        "contacts",
        CONTACTS,
        [f"{number}|{contact.id}" for number, contact in enumerate(CONTACTS)],
        lambda service, token: service.routing.ListContacts(
            routing.ListContactsRequest(parent=SITE, page_size=1000, page_token=token)
        ),
    ),
    "reservations": (
        "reservations",
        RESERVATIONS,
        [f"{number}|{offer.id}" for number, offer in enumerate(RESERVATIONS)],
        lambda service, token: service.routing.ListReservations(
            routing.ListReservationsRequest(parent=SITE, page_size=1000, page_token=token)
        ),
    ),
}


@pytest.mark.parametrize("case", LISTS)
async def test_a_plain_client_takes_every_page_and_misses_nothing(
    service: Service, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page is full up to the last entry that fits; the pages together have every entry once, in order."""
    name, items, tokens, lister = LISTS[case]
    monkeypatch.setattr(getattr(service.doubles, name), name, listing(items, tokens))
    listed: list[str] = []
    sizes: list[int] = []
    token = ""
    while True:
        page = await lister(service, token)
        entries = getattr(page, name)
        listed += [entry.name.rpartition("/")[2] for entry in entries]
        sizes.append(page.ByteSize())
        if not (token := page.next_page_token):
            break
    assert listed == [item.id for item in items]
    slack = max(entry.ByteSize() for entry in entries) + FRAME_BYTES * len(items)
    assert {size // PAGE_BYTES for size in sizes} == {0}
    assert min(sizes[:-1]) > PAGE_BYTES - slack
    assert len(sizes) > 1
