"""Sealed texts of contacts that wait, as a version sealed them that kept no vectors."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from matcher.store.contacts import ContactStore, WaitingContact
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient
from matcher.store.sealer import Sealer, WaitingText
from tests.state_machine.service_instance import KEYS
from tests.store.access import store_now_ms
from tests.store.stage import LONG_MS


async def forget_vectors(connection: StoreClient, queue: ContactStore, site: str, contacts: Sequence[str]) -> None:
    """Seal the texts of contacts again, without their vectors."""
    sealer, until = Sealer(KEYS), await store_now_ms(connection) + LONG_MS
    for contact, record in zip(contacts, await queue.kept(site, contacts), strict=True):
        assert isinstance(record, WaitingContact)
        said = sealer.open(site, contact, record.sealed)
        assert isinstance(said, WaitingText)
        sealed = sealer.seal(site, contact, msgspec.structs.replace(said, vectors=None), until)
        await connection.run("HSET", Keys(site).contact(contact), "sealed", sealed)
