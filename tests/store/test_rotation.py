"""Rotation of keys: what may be put into use and removed, and that stored handles move to the newest key."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from matcher.store.customers import CustomerStore, Relationship
from matcher.store.keyring.faults import RotationRefused
from matcher.store.keyring.key_record import KeyInUse, KeyRecord, KeyRegistry, KeysInUse, faults_of
from matcher.store.keyring.rotation import FOLLOW_MS, state_of, with_days, with_key, without_key
from matcher.store.keyring.secret_keys import DAY_MS, Keyring, Purpose, SecretKey, new_key, roll_days
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.reservations import Refusal, Refused, Replayed, Reserved
from tests.store.stage import LONG_MS, Stage

NOON: Final = 1_796_040_000_000
REQUEST: Final = [new_key(Purpose.REQUEST, NOON) for _ in range(3)]
HANDLE: Final = [new_key(Purpose.HANDLE, NOON) for _ in range(3)]
RING: Final = roll_days(Keyring((*REQUEST, *HANDLE)), NOON)
WINDOW_MS: Final = 60_000


def in_use(requests: int = 1, handles: int = 1, *, since_ms: int = NOON) -> KeysInUse:
    """Return a record with the first keys in use."""
    return KeysInUse(
        tuple(KeyInUse.of(key) for key in REQUEST[:requests]),
        tuple(KeyInUse.of(key) for key in HANDLE[:handles]),
        (),
        NOON,
        since_ms,
        since_ms,
    )


def keys(handles: int) -> ServiceKeys:
    """Return the keys of a process with the first handle keys in use."""
    return ServiceKeys(RING, in_use(handles=handles))


def test_a_key_put_into_use_makes_the_new_digests_and_the_former_stay() -> None:
    """A second use of the same key is refused, and so is an earlier handle key; an earlier request key comes back."""
    second = with_key(in_use(), REQUEST[1], NOON + 1)
    assert [used.id for used in second.request] == [REQUEST[0].id, REQUEST[1].id]
    assert (second.request_since_ms, second.handle_since_ms) == (NOON + 1, NOON)
    assert [used.id for used in with_key(second, REQUEST[0], NOON).request] == [REQUEST[1].id, REQUEST[0].id]
    assert with_key(in_use(), HANDLE[1], NOON).handle == in_use(handles=2).handle
    for record, key, why in (
        (in_use(), REQUEST[0], "makes the new digests already"),
        (in_use(handles=2), HANDLE[0], "was in use before"),
        (in_use(), RING.of(Purpose.SEAL)[0], "put into use by `days`"),
    ):
        with pytest.raises(RotationRefused, match=why):
            with_key(record, key, NOON)
    with pytest.raises(RotationRefused, match="already"):
        with_days(in_use(), NOON)


def test_a_key_goes_only_when_no_record_needs_it() -> None:
    """A former request key after the window of remembered requests, a handle key never, a day by itself."""
    rotated = in_use(requests=2, handles=2)
    over = NOON + WINDOW_MS + FOLLOW_MS
    assert without_key(rotated, REQUEST[0], WINDOW_MS, over).request == rotated.request[1:]
    assert without_key(rotated, REQUEST[2], WINDOW_MS, NOON) == rotated
    for key, why in (
        (REQUEST[0], "remembered for 65 s more"),
        (REQUEST[1], "makes the new digests"),
        (HANDLE[1], "makes the new digests"),
        (HANDLE[0], "is a step to the digests of the newest key"),
        (RING.of(Purpose.SEAL)[0], "goes by itself"),
    ):
        with pytest.raises(RotationRefused, match=why):
            without_key(rotated, key, WINDOW_MS, NOON)
    assert [state_of(rotated, key) for key in REQUEST] == [
        "recognises earlier digests",
        "makes the new digests",
        "not in use",
    ]


def test_what_a_keyring_lacks_is_named() -> None:
    """A missing key, a key with other bytes, a missing day and another day: each by its purpose and id."""
    day = RING.of(Purpose.SEAL)[0]
    record = KeyRecord(in_use(), {day.id: day.fingerprint}, NOON)
    assert faults_of(RING, record) == []
    assert faults_of(RING.without(HANDLE[0]), record) == [
        f"this process lacks the handle key {HANDLE[0].id}, which is in use"
    ]
    after_midnight = replace(record, now_ms=NOON + DAY_MS // 2 + 1)
    assert faults_of(RING.without(day), after_midnight) == [], "another process has removed yesterday's key"
    other = RING.without(day).with_keys(SecretKey(day.purpose, day.id, b"x" * 32))
    assert faults_of(other, record) == [
        f"the seal key {day.id} of this process is not the one in use: its fingerprint is another"
    ]
    assert faults_of(other, replace(record, now_ms=NOON + 2 * DAY_MS))[0].startswith("the keyring has no seal key for ")
    last = RING.of(Purpose.SEAL)[-2]
    assert faults_of(RING.without(last), record) == [
        f"the keyring has no seal key for {last.id}, until when a text may wait"
    ]


async def test_a_repeated_request_is_recognised_by_a_former_key(lawful: Stage) -> None:
    """Remembered by the former digest, asked with the newest; a request that is neither is refused."""
    await lawful.put("ann", 9)
    asked = lawful.claim("ann", request_id="q", digest="0a" * 16)
    held = await lawful.reserve(asked)
    assert isinstance(held, Reserved)
    again = lawful.claim("ann", request_id="q", digest="0b" * 16, former_digests=("0c" * 16, "0a" * 16))
    assert isinstance(await lawful.reserve(again), Replayed)
    other = lawful.claim("ann", request_id="q", digest="0b" * 16, former_digests=("0c" * 16,))
    assert await lawful.reserve(other) == Refused(Refusal.REUSED)


async def test_a_customer_is_known_before_and_after_the_handles_are_rehashed(lawful: Stage) -> None:
    """By both handles, with the lifetime and the number of handles as they were; the former digests are gone."""
    site = lawful.site
    former, newest = (CustomerStore(lawful.connection, keys(number)) for number in (1, 3))
    await former.remember(site, "mail", "bea", good=True, now_ms=1_000, for_ms=LONG_MS)
    assert await former.link(site, ["mail", "phone"]) == 2
    known = [Relationship("bea", good=True, at_ms=1_000)]
    assert await newest.known(site, "mail", 2_000) == known
    before = {await lawful.raw("PEXPIRETIME", key) for key in await stored_handles(lawful)}
    found = [digest async for digest in newest.former_handles(site)]
    assert len(found) == 2
    for digest in (*found, *found):
        await newest.rehash(site, digest)
    assert [digest async for digest in newest.former_handles(site)] == []
    assert all(HANDLE[2].id in key for key in await stored_handles(lawful))
    assert {await lawful.raw("PEXPIRETIME", key) for key in await stored_handles(lawful)} == before
    for handle in ("mail", "phone"):
        assert await newest.known(site, handle, 2_000) == known
        assert await former.known(site, handle, 2_000) == []
    assert await newest.link(site, ["phone", "fax"]) == 3


async def test_a_rehash_that_was_cut_off_goes_on(lawful: Stage) -> None:
    """Some handles are moved, some are not, and each is found; from the first key and from the second."""
    site = lawful.site
    stores = [CustomerStore(lawful.connection, keys(number)) for number in (1, 2, 3)]
    for number in range(8):
        await stores[number % 2].remember(site, f"h{number}", f"a{number}", good=True, now_ms=1, for_ms=LONG_MS)
    found = [digest async for digest in stores[2].former_handles(site)]
    for digest in found[:3]:
        await stores[2].rehash(site, digest)
    for number in range(8):
        assert [one.agent for one in await stores[2].known(site, f"h{number}", 2)] == [f"a{number}"]
    for digest in [digest async for digest in stores[2].former_handles(site)]:
        await stores[2].rehash(site, digest)
    assert [digest async for digest in stores[2].former_handles(site)] == []
    for number in range(8):
        assert [one.agent for one in await stores[2].known(site, f"h{number}", 2)] == [f"a{number}"]


async def test_a_handle_that_two_processes_stored_by_different_keys_becomes_one_customer(lawful: Stage) -> None:
    """In the seconds in which one process follows: both customers are joined, and the handle counts once."""
    site = lawful.site
    former, newest = (CustomerStore(lawful.connection, keys(number)) for number in (1, 2))
    await newest.remember(site, "mail", "tom", good=True, now_ms=2_000, for_ms=LONG_MS)
    await former.remember(site, "mail", "bea", good=True, now_ms=1_000, for_ms=LONG_MS)
    (digest,) = [digest async for digest in newest.former_handles(site)]
    for _ in range(2):
        await newest.rehash(site, digest)
    assert [one.agent for one in await newest.known(site, "mail", 3_000)] == ["tom", "bea"]
    assert len(await stored_handles(lawful)) == 1
    assert await newest.link(site, ["mail"]) == 1


async def stored_handles(stage: Stage) -> list[str]:
    """Return the keys of the handles of the site."""
    prefix = stage.keys.handle("")
    return [key.decode() for key in await stage.everything() if key.decode().startswith(prefix)]


async def test_of_two_who_change_the_keys_in_use_at_once_one_is_told(lawful: Stage) -> None:
    """The second wrote nothing; a repetition of the first, as after a lost answer, changes nothing."""
    registry = KeyRegistry(lawful.connection)
    await registry.start_over()
    began = await registry.begin(in_use())
    assert (began.in_use, (await registry.begin(in_use(handles=2))).in_use) == (in_use(), in_use())
    first, second = with_key(in_use(), HANDLE[1], NOON), with_key(in_use(), REQUEST[1], NOON)
    assert [await registry.change(began, each) for each in (first, second, first)] == [True, False, True]
    assert (await registry.read()).in_use == first
    assert abs(began.now_ms - await lawful.now_ms()) < DAY_MS
    await registry.start_over()
