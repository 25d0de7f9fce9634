"""The reader of waiting contacts: what it sets aside, and what it leaves to a process that can read it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from matcher.encoder import Priority
from matcher.encoder.protocols import Vectors
from matcher.model import Basis, Message, Preferred, QueuedOutcome, Requirements, Stretch, Wait
from matcher.model.lifecycle import ContactState
from matcher.model.requests import RouteRequest
from matcher.routing.waiting_reader import Quarantined, WaitingReader
from matcher.store.contacts import WaitingContact
from matcher.store.keyring.key_record import KeysInUse
from matcher.store.keyring.secret_keys import DAY_MS, SECRET_ID, Keyring, roll_days
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.keys import Keys
from matcher.store.sealer import Sealer, WaitingMessage, WaitingText
from tests.state_machine.pair import Pair
from tests.state_machine.sealed import forget_vectors
from tests.state_machine.service_instance import KEYS
from tests.store.access import store_now_ms
from tests.store.stage import LONG_MS


async def three_wait(pair: Pair, texts: Sequence[str] = ("roses", "roses", "roses")) -> None:
    """Let three contacts wait."""
    for contact, text in zip(("a", "b", "c"), texts, strict=True):
        request = RouteRequest(Message(text, "", Requirements()), contact_id=contact, wait=Wait(LONG_MS))
        assert isinstance(await pair.slow.router.route(pair.site, request), QueuedOutcome)
    await pair.catch_up()


async def states(pair: Pair) -> list[ContactState]:
    """Return the states of the three contacts."""
    return [(await pair.slow.contacts.contact(pair.site, contact)).state for contact in ("a", "b", "c")]


async def test_a_process_with_another_secret_sets_no_contact_aside(pair: Pair) -> None:
    """It never opened a message of the site, so its own secret may be the wrong one: all go on waiting."""
    await three_wait(pair)
    replica, reasons = await pair.slow.sites.replica(pair.site), list[Quarantined]()
    reader = WaitingReader(replica, pair.slow.queue, Sealer(ServiceKeys.of_secret(b"another")), reasons.append)
    for _ in range(2):
        assert await reader.read(list(replica.queue)) == ([], {"a", "b", "c"})
    assert await states(pair) == 3 * [ContactState.QUEUED]
    assert reasons == []


async def test_a_process_that_opened_one_message_sets_those_aside_that_it_cannot_open(pair: Pair) -> None:
    """A damaged message and a damaged record are set aside, each with its reason; the third contact is read."""
    await three_wait(pair)
    keys = Keys(pair.site)
    await pair.connection.run("HSET", keys.contact("a"), "sealed", "damaged")
    await pair.connection.run("HSET", keys.contact("b"), "created", "damaged")
    replica, reasons = await pair.slow.sites.replica(pair.site), list[Quarantined]()
    reader = WaitingReader(replica, pair.slow.queue, Sealer(KEYS), reasons.append)
    queued, left_out = await reader.read(list(replica.queue))
    assert [contact.place.contact for contact in queued] == ["c"]
    assert left_out == {"a", "b"}
    assert await states(pair) == [ContactState.QUARANTINED, ContactState.QUARANTINED, ContactState.QUEUED]
    assert sorted(reasons) == [Quarantined.RECORD, Quarantined.SECRET]
    assert [place.contact for place in replica.queue] == ["c"]


async def test_a_text_that_was_encoded_on_the_route_is_not_encoded_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its vectors were sealed with it. A text of another version, or cut otherwise by now, is encoded once more."""
    await three_wait(pair, texts=("roses bloom", "boats", "jazz"))
    replica, encoded = await pair.slow.sites.replica(pair.site), list[str]()
    encode = pair.encoder.encode

    async def counted(
        texts: Sequence[str], *, english: bool | None = None, priority: Priority = Priority.ROUTE
    ) -> Vectors:
        encoded.extend(texts)
        return await encode(texts, english=english, priority=priority)

    monkeypatch.setattr(pair.encoder, "encode", counted)
    reader = WaitingReader(replica, pair.slow.queue, Sealer(KEYS))
    before, _ = await reader.read(list(replica.queue))
    assert encoded == []
    await forget_vectors(pair.connection, pair.slow.queue, pair.site, ("a", "b", "c"))
    after, _ = await reader.read(list(replica.queue))
    assert encoded == ["roses bloom", "boats", "jazz"]
    for kept, again in zip(before, after, strict=True):
        assert np.allclose(kept.encoded.vectors, again.encoded.vectors, atol=1e-3)
        assert kept.encoded.stems == again.encoded.stems
    encoded.clear()
    await three_wait(pair, texts=(" ".join(f"I like hobby {n} a lot." for n in range(12)), "boats", "jazz"))
    encoded.clear()
    await reader.read(list(replica.queue))
    assert len(encoded) == 12


async def test_what_schema_2_sealed_is_read_with_its_requirements(pair: Pair) -> None:
    """While a process of the version before lives, the text is sealed with its requirements, as it reads them."""
    pair.connection.schema.writes = 2
    try:
        await three_wait(pair)
    finally:
        pair.connection.schema.set(None)
    replica, sealer = await pair.slow.sites.replica(pair.site), Sealer(KEYS)
    places = list(replica.queue)
    for place, record in zip(places, await pair.slow.queue.kept(pair.site, ["a", "b", "c"]), strict=True):
        assert isinstance(record, WaitingContact)
        assert isinstance(sealer.open(pair.site, place.contact, record.sealed), WaitingMessage)
    queued, left_out = await WaitingReader(replica, pair.slow.queue, sealer).read(places)
    assert ([contact.message.text for contact in queued], left_out) == (3 * ["roses"], set())
    assert [contact.requirements for contact in queued] == 3 * [Requirements()]


async def test_what_is_required_is_not_sealed_and_outlives_the_text(pair: Pair) -> None:
    """The text alone is sealed; without it a contact of the queue is read as one that meets no interest."""
    required = Requirements(skills={"law": 2}, language="de")
    message = Message("roses", "ann", required, (Preferred("rose", Basis.PREFERRED),))
    request = RouteRequest(message, contact_id="a", wait=Wait(LONG_MS), auto_accept=True)
    assert isinstance(await pair.slow.router.route(pair.site, request), QueuedOutcome)
    await pair.catch_up()
    replica = await pair.slow.sites.replica(pair.site)
    (record,) = await pair.slow.queue.kept(pair.site, ["a"])
    assert isinstance(record, WaitingContact)
    said = Sealer(KEYS).open(pair.site, "a", record.sealed)
    assert isinstance(said, WaitingText)
    assert said.vectors is not None
    assert msgspec.structs.replace(said, vectors=None) == WaitingText("roses", kept=(Stretch(0, 5, 5),))
    reader = WaitingReader(replica, pair.slow.queue, Sealer(KEYS))
    for text in ("roses", ""):
        (queued,), _ = await reader.read(list(replica.queue))
        assert (queued.message.text, queued.requirements, queued.auto_accept) == (text, required, True)
        assert queued.message.preferred == message.preferred
        assert len(queued.encoded.stems) == len(text) // 5
        await pair.connection.run("HDEL", Keys(pair.site).contact("a"), "sealed")


async def test_a_contact_whose_texts_key_is_over_is_offered_by_its_requirements(pair: Pair) -> None:
    """It came back and waits beyond the day whose key sealed its text: the text is gone, the contact is not."""
    await three_wait(pair)
    now = await store_now_ms(pair.connection)
    before = roll_days(Keyring(), now - 9 * DAY_MS)
    by_days = KeysInUse((), (), (), by_day_since_ms=1, request_since_ms=0, handle_since_ms=0)
    sealed = Sealer(ServiceKeys(before, by_days)).seal(pair.site, "a", WaitingText("roses"), now - 9 * DAY_MS)
    await pair.connection.run("HSET", Keys(pair.site).contact("a"), "sealed", sealed)
    replica, reasons = await pair.slow.sites.replica(pair.site), list[Quarantined]()
    keys = ServiceKeys(roll_days(before.with_keys(*KEYS.keyring.keys), now), KEYS.in_use)
    queued, left_out = await WaitingReader(replica, pair.slow.queue, Sealer(keys), reasons.append).read(
        list(replica.queue)
    )
    assert {contact.place.contact: contact.message.text for contact in queued} == {"a": "", "b": "roses", "c": "roses"}
    assert (left_out, reasons) == (set(), [])


async def test_a_message_that_opens_and_is_none_is_set_aside(pair: Pair) -> None:
    """The process that sealed the text had the secret: no other process can read it either."""
    await three_wait(pair)
    sealer, name = Sealer(KEYS), "a"
    cipher = KEYS.to_open(SECRET_ID)
    assert cipher is not None
    nothing = cipher.aead.encrypt(bytes(12), b"{}", f"{pair.site}|{name}".encode())
    await pair.connection.run("HSET", Keys(pair.site).contact(name), "sealed", bytes(12) + nothing)
    replica, reasons = await pair.slow.sites.replica(pair.site), list[Quarantined]()
    reader = WaitingReader(replica, pair.slow.queue, sealer, reasons.append)
    await reader.read([place for place in replica.queue if place.contact == name])
    assert reasons == [Quarantined.MESSAGE]


async def test_a_text_that_the_encoder_cannot_encode_costs_one_contact(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails alone and is set aside; others are read. Where every text fails, the encoder is broken: none is."""
    await three_wait(pair, texts=("roses", "boom", "roses"))
    await forget_vectors(pair.connection, pair.slow.queue, pair.site, ("a", "b", "c"))
    replica, reasons = await pair.slow.sites.replica(pair.site), list[Quarantined]()
    reader = WaitingReader(replica, pair.slow.queue, Sealer(KEYS), reasons.append)
    encode, fails = pair.encoder.encode, [""]

    async def failing(
        texts: Sequence[str], *, english: bool | None = None, priority: Priority = Priority.ROUTE
    ) -> Vectors:
        if any(fails[0] in text for text in texts):
            raise ValueError("not encoded")
        return await encode(texts, english=english, priority=priority)

    monkeypatch.setattr(pair.encoder, "encode", failing)
    with pytest.raises(ValueError, match="not encoded"):
        await reader.read(list(replica.queue))
    assert await states(pair) == 3 * [ContactState.QUEUED]
    fails[0] = "boom"
    queued, left_out = await reader.read(list(replica.queue))
    assert [contact.place.contact for contact in queued] == ["a", "c"]
    assert (left_out, reasons) == ({"b"}, [Quarantined.ENCODING])
    assert await states(pair) == [ContactState.QUEUED, ContactState.QUARANTINED, ContactState.QUEUED]
