"""Customers' records: what is remembered of a person, written, read, listed, joined and ended."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from matcher.errors import CustomerNotFound, FieldsInvalid, HandleUnknown, RequestIdReused
from matcher.model import Message, Pool, PoolPolicy, Requirements
from matcher.model.customers import Consent, CustomerInterest, CustomerWrite
from matcher.routing.returning_customers import ReturningCustomers
from matcher.store.customer_records import CustomerRecordStore
from matcher.store.customers import CustomerStore
from matcher.store.keyring.key_record import KeyInUse, KeysInUse
from matcher.store.keyring.secret_keys import Keyring, Purpose, SecretKey
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.redis.client import StoreClient
from tests.store.access import PRODUCT, as_user
from tests.store.laws import found_anywhere
from tests.store.stage import LONG_MS, Stage

MODEL = "00000000000000aa"
SAILS = "I sail small boats."
BAKES = "I bake dark rye."


def records_of(stage: Stage) -> CustomerRecordStore:
    """Return the store of a stage's customers' records."""
    keys = ServiceKeys.of_secret(b"secret")
    return CustomerRecordStore(stage.connection, stage.customers, keys, request_window_ms=LONG_MS)


async def wanted(stage: Stage, *texts: str, **fields: Any) -> CustomerWrite:
    """Return interests with a consent of an hour, to be remembered of Jo; `fields` replace others."""
    now = await stage.now_ms()
    given = {
        "customer": "",
        "handles": ("jo@example",),
        "interests": tuple(CustomerInterest("", text, "crm") for text in texts),
        "consent": Consent("terms 3", now, now + LONG_MS, shareable=True) if texts else None,
        **fields,
    }
    return CustomerWrite(**given)


async def put(stage: Stage, *texts: str, **fields: Any) -> str:
    """Remember interests of Jo, each with a vector of its own; return the customer's id."""
    rows = np.eye(len(texts), 8, dtype=np.float32)
    return await records_of(stage).put(stage.site, await wanted(stage, *texts, **fields), MODEL, rows)


async def test_what_is_put_is_given_back_whole(lawful: Stage) -> None:
    """The handles, the interests with ids of their own, the consent and how agents served the customer."""
    stage, records, now = lawful, records_of(lawful), await lawful.now_ms()
    write = await wanted(stage, SAILS, BAKES, handles=("jo@example", "+49 30 123456"))
    jo = await records.put(stage.site, write, MODEL, np.eye(2, 8, dtype=np.float32))
    await stage.customers.remember(stage.site, "jo@example", "ann", good=True, now_ms=now, for_ms=LONG_MS)
    found = await records.customer(stage.site, jo, now)
    assert (found.id, found.handles, found.unnamed_handles) == (jo, ("+49 30 123456", "jo@example"), 0)
    assert [(one.text, one.source) for one in found.interests] == [(SAILS, "crm"), (BAKES, "crm")]
    assert len({one.id for one in found.interests} - {""}) == 2
    assert found.consent == write.consent
    assert [(note.agent, note.good, note.at_ms, note.until_ms) for note in found.notes] == [
        ("ann", True, now, now + LONG_MS)
    ]
    assert await records.customer_of(stage.site, "+49 30 123456") == jo
    with pytest.raises(HandleUnknown):
        await records.customer_of(stage.site, "+49 30 654321")


async def test_a_route_reads_the_interests_with_their_vectors(lawful: Stage) -> None:
    """By the model that they were encoded with; for another model there are none until they are stored."""
    stage = lawful
    jo = await put(stage, SAILS, BAKES)
    profile = await stage.customers.profile(stage.site, "jo@example", MODEL)
    assert profile is not None
    assert profile.rows is not None
    assert (profile.customer, profile.shareable) == (jo, True)
    assert [one.text for one in profile.interests] == [SAILS, BAKES]
    assert np.array_equal(profile.rows, np.eye(2, 8))
    assert await stage.customers.profile(stage.site, "bo@example", MODEL) is None
    other = await stage.customers.profile(stage.site, "jo@example", "another")
    assert other is not None
    assert other.rows is None
    await stage.customers.put_vectors(stage.site, other, "another", np.ones((2, 4), np.float32))
    encoded = await stage.customers.profile(stage.site, "jo@example", "another")
    assert encoded is not None
    assert encoded.rows is not None
    assert encoded.rows.shape == (2, 4)
    await put(stage, SAILS)
    await stage.customers.put_vectors(stage.site, encoded, "another", np.ones((2, 4), np.float32))
    newer = await stage.customers.profile(stage.site, "jo@example", MODEL)
    assert newer is not None
    assert newer.rows is not None
    assert newer.rows.shape == (1, 8), "vectors of former interests"


async def test_an_interest_that_is_put_again_keeps_its_id(lawful: Stage) -> None:
    """The others are replaced; without interests the former ones are forgotten, and the handles stay."""
    stage, records = lawful, records_of(lawful)
    jo = await put(stage, SAILS, BAKES)
    before = {one.text: one.id for one in (await records.customer(stage.site, jo, 0)).interests}
    assert await put(stage, "I keep bees.", SAILS) == jo
    after = {one.text: one.id for one in (await records.customer(stage.site, jo, 0)).interests}
    assert after[SAILS] == before[SAILS]
    assert list(after) == ["I keep bees.", SAILS]
    assert await put(stage, customer=jo, handles=()) == jo
    emptied = await records.customer(stage.site, jo, 0)
    assert (emptied.interests, emptied.consent, emptied.handles) == ((), None, ("jo@example",))
    assert [key for key in await stage.everything() if b":profile:" in key] == []


async def test_the_interests_end_with_the_consent(lawful: Stage) -> None:
    """The store itself removes them at that moment; a longer relationship stays, and the list forgets who is gone."""
    stage, now = lawful, await lawful.now_ms()
    jo = await put(stage, SAILS)
    key = stage.keys.profile(jo)
    assert LONG_MS - 60_000 < await stage.raw("PTTL", key) <= LONG_MS
    await put(stage, SAILS, consent=Consent("terms", now, (await stage.now_ms()) + 300, shareable=False))
    await stage.passed(await stage.raw("PEXPIRETIME", key))
    assert await stage.raw("EXISTS", key) == 0
    assert await stage.customers.profile(stage.site, "jo@example", MODEL) is None
    kept = await records_of(stage).customer(stage.site, jo, await stage.now_ms())
    assert (kept.interests, kept.handles) == ((), ("jo@example",))
    for part in ("handle", "customer", "customers"):
        lasting = [name for name in await stage.everything() if f":{part}".encode() in name]
        assert lasting
        assert all([await stage.raw("PTTL", name) > 0 for name in lasting])


async def test_a_request_that_is_repeated_changes_nothing(lawful: Stage) -> None:
    """The same id with another request is refused."""
    stage, records = lawful, records_of(lawful)
    write = await wanted(stage, SAILS, request_id="r-1", digest=b"one")
    assert await records.answered(stage.site, write) is None
    jo = await records.put(stage.site, write, MODEL, np.eye(1, 8, dtype=np.float32))
    assert await records.answered(stage.site, write) == jo
    with pytest.raises(RequestIdReused):
        await records.answered(stage.site, await wanted(stage, BAKES, request_id="r-1", digest=b"two"))


async def test_handles_of_two_customers_are_not_joined_by_a_put(lawful: Stage) -> None:
    """The wrong handle is named, and nothing is written."""
    stage, records = lawful, records_of(lawful)
    jo, bo = await put(stage, SAILS), await put(stage, BAKES, handles=("bo@example",))
    before = await stage.everything()
    for write in ({"handles": ("jo@example", "bo@example")}, {"customer": jo, "handles": ("jo", "bo@example")}):
        with pytest.raises(FieldsInvalid) as refused:
            await put(stage, SAILS, **write)
        assert [one.field for one in refused.value.violations] == ["customer.handles[1]"]
    with pytest.raises(CustomerNotFound):
        await put(stage, SAILS, customer="nobody")
    assert await stage.everything() == before
    assert jo != bo
    assert (await records.customer(stage.site, bo, 0)).handles == ("bo@example",)


async def test_joined_customers_keep_the_interests_of_the_later_consent(lawful: Stage) -> None:
    """Whichever handle is named first; the name of the one who was joined leads to the other."""
    stage, records, now = lawful, records_of(lawful), await lawful.now_ms()
    earlier = Consent("terms 1", now - 9, now + LONG_MS, shareable=True)
    for first, second in (("a", "b"), ("d", "c")):
        one = await put(stage, SAILS, handles=(first,), consent=earlier)
        other = await put(stage, BAKES, handles=(second,))
        assert await stage.customers.link(stage.site, [first, second]) == 2
        joined = await records.customer(stage.site, one, now)
        assert joined == await records.customer(stage.site, other, now)
        assert [interest.text for interest in joined.interests] == [BAKES]
        profile = await stage.customers.profile(stage.site, first, MODEL)
        assert profile is not None
        assert profile.rows is not None
    listed = await records.customers(stage.site, 10, "", now)
    assert sorted(one.handles for one in listed.items) == [("a", "b"), ("c", "d")]


async def test_customers_are_listed_page_by_page(lawful: Stage) -> None:
    """Each once, those whose records end soonest first."""
    stage, records, now = lawful, records_of(lawful), await lawful.now_ms()
    lasting = {number: now + (10 + number) * 86_400_000 for number in (3, 1, 4, 2, 0)}
    ids = {
        number: await put(stage, SAILS, handles=(f"h{number}",), consent=Consent("t", now, until, shareable=False))
        for number, until in lasting.items()
    }
    after, pages = "", []
    while True:
        page = await records.customers(stage.site, 2, after, now)
        pages.append([one.id for one in page.items])
        if not (after := page.next):
            break
    assert pages == [[ids[0], ids[1]], [ids[2], ids[3]], [ids[4]]]


async def test_nothing_of_a_customer_is_stored_as_it_was_given(lawful: Stage) -> None:
    """Neither the handles, nor the interests, their sources, or the consent's basis, nor a vector's bytes."""
    stage = lawful
    rows = np.linspace(0.1, 0.9, 8, dtype=np.float32)[None]
    write = await wanted(stage, SAILS, handles=("jo@example", "+49 30 123456"))
    await records_of(stage).put(stage.site, write, MODEL, rows)
    for secret in (b"jo@example", b"123456", b"sail", b"crm", b"terms", rows.astype(np.float16).tobytes()):
        assert await found_anywhere(stage, secret) == []


async def test_a_handle_that_an_earlier_version_stored_is_learned_when_it_is_named(lawful: Stage) -> None:
    """Until then it is counted; a route that reads the customer stores it sealed."""
    stage, records, now = lawful, records_of(lawful), await lawful.now_ms()
    await stage.customers.remember(stage.site, "mail", "ann", good=True, now_ms=now, for_ms=LONG_MS)
    await stage.customers.link(stage.site, ["mail", "phone"])
    jo = await records.customer_of(stage.site, "mail")
    fields = await stage.raw("HGETALL", stage.keys.customer(jo))
    for name in fields:
        if name.startswith(b"h:"):
            await stage.raw("HSET", stage.keys.customer(jo), name, "")  # as an earlier version left it
    before = await records.customer(stage.site, jo, now)
    assert (before.handles, before.unnamed_handles) == ((), 2)
    await stage.customers.known(stage.site, "phone", now)
    after = await records.customer(stage.site, jo, now)
    assert (after.handles, after.unnamed_handles) == (("phone",), 1)
    await stage.customers.remember(stage.site, "mail", "ann", good=True, now_ms=now, for_ms=LONG_MS)
    assert (await records.customer(stage.site, jo, now)).handles == ("mail", "phone")


async def test_a_customer_is_known_after_the_handle_key_was_rotated(lawful: Stage) -> None:
    """What a former key sealed is opened; what is written next is sealed under the new key."""
    stage, now = lawful, await lawful.now_ms()
    old, new = (SecretKey(Purpose.HANDLE, name, name.encode() * 16) for name in ("k1", "k2"))
    request = SecretKey(Purpose.REQUEST, "r1", b"r" * 32)
    keyring = Keyring((old, new, request))
    uses = KeysInUse((KeyInUse.of(request),), (KeyInUse.of(old),), (), 1, 0, 0)
    keys = ServiceKeys(keyring, uses)
    customers = CustomerStore(stage.connection, keys)
    records = CustomerRecordStore(stage.connection, customers, keys, request_window_ms=LONG_MS)
    jo = await records.put(stage.site, await wanted(stage, SAILS), MODEL, np.eye(1, 8, dtype=np.float32))
    both = KeysInUse(uses.request, (KeyInUse.of(old), KeyInUse.of(new)), (), 1, 0, 0)
    keys.change(keyring, both)
    assert (await records.customer(stage.site, jo, now)).handles == ("jo@example",)
    async for digest in customers.former_handles(stage.site):
        await customers.rehash(stage.site, digest)
    await customers.remember(stage.site, "jo@example", "ann", good=True, now_ms=now, for_ms=LONG_MS)
    found = await records.customer(stage.site, jo, now)
    assert (found.handles, found.unnamed_handles) == (("jo@example",), 0)
    profile = await customers.profile(stage.site, "jo@example", MODEL)
    assert profile is not None
    assert profile.rows is not None
    keys.change(Keyring((new, request)), both)
    assert await customers.profile(stage.site, "jo@example", MODEL) is None
    keys.change(keyring, both)
    for _ in range(2):  # a repetition changes nothing
        await records.reseal(stage.site)
        assert await found_anywhere(stage, b"k1|") == []
    assert (await records.customer(stage.site, jo, now)).handles == ("jo@example",)
    profile = await customers.profile(stage.site, "jo@example", MODEL)
    assert profile is not None
    assert profile.rows is not None


async def test_concurrent_writes_of_one_person_end_in_one_customer(lawful: Stage) -> None:
    """Eight callers at once, each with one of two handles and the mail address: one customer has all of them."""
    stage, records = lawful, records_of(lawful)
    ids = await asyncio.gather(*(put(stage, SAILS, handles=("mail", f"h{number % 2}")) for number in range(8)))
    (root,) = {(await records.customer(stage.site, one, 0)).id for one in ids}
    assert (await records.customer(stage.site, root, 0)).handles == ("h0", "h1", "mail")


async def test_a_route_reads_a_customer_once_and_nothing_where_none_is_named(embedded_url: str) -> None:
    """How agents served the customer and the interests come together; an unknown handle costs one round trip."""
    trips: list[str] = []
    client = StoreClient(as_user(embedded_url, PRODUCT), on_round_trip=trips.append)
    await client.start()
    try:
        stage = Stage(client)
        await stage.set_up()
        await put(stage, SAILS)
        await stage.customers.remember(stage.site, "jo@example", "ann", good=True, now_ms=1, for_ms=LONG_MS)
        replica: Any = SimpleNamespace(site=stage.site, matching=SimpleNamespace(model=MODEL))
        replica.index = SimpleNamespace(agent=lambda _: None)
        pool = Pool("default", PoolPolicy(relationship_ms=LONG_MS), 1, 1, 1)
        returning = ReturningCustomers(stage.customers, client)
        for handle, expected in (("", []), ("bo@example", ["pipeline"]), ("jo@example", ["pipeline", "pipeline"])):
            trips.clear()
            _, profile = await returning.met(replica, pool, Message("Hi.", handle, Requirements()))
            assert trips == expected
            assert (profile is not None) == (handle == "jo@example")
        await stage.clear()
    finally:
        await client.close()
