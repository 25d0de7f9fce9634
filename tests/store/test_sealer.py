"""Sealed messages: under the key of the day on which the wait ends, or under a lasting key as before."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

import msgspec
import pytest

from matcher.model import Message, Requirements
from matcher.store.keyring.key_record import KeyInUse, KeysInUse
from matcher.store.keyring.secret_keys import (
    DAY_MS,
    GRACE_MS,
    LONGEST_WAIT_MS,
    Keyring,
    Purpose,
    keys_of_secret,
    new_key,
    roll_days,
)
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.sealer import BY_DAY, NotOpened, Sealer, WaitingMessage, WaitingText

NOON: Final = 1_796_040_000_000
"""Noon of 2026-11-30, UTC."""
HOUR: Final = 3_600_000
SAID: Final = WaitingMessage(Message("The smoker for my bees has a dent.", "ann", Requirements()), auto_accept=True)
BY_DAYS: Final = KeysInUse((), (), (), by_day_since_ms=1, request_since_ms=0, handle_since_ms=0)


def by_days(keyring: Keyring) -> Sealer:
    """Return a sealer that seals under the days of a keyring."""
    return Sealer(ServiceKeys(keyring, BY_DAYS))


def test_a_message_opens_for_its_own_contact_of_its_own_site_and_under_its_own_day() -> None:
    """Another site, another contact, another day in the header, a cut or a changed byte: it does not open."""
    sealer = by_days(roll_days(Keyring(), NOON))
    sealed = sealer.seal("s", "c", SAID, NOON + HOUR)
    assert sealed.startswith(b"day|2026-11-30|")
    assert b"smoker" not in sealed
    assert sealer.open("s", "c", sealed) == SAID
    assert sealer.open("t", "c", sealed) is NotOpened.SECRET
    assert sealer.open("s", "d", sealed) is NotOpened.SECRET
    assert sealer.open("s", "c", sealed.replace(b"2026-11-30", b"2026-12-01")) is NotOpened.SECRET
    for cut in range(len(sealed)):
        assert sealer.open("s", "c", sealed[:cut]) is NotOpened.SECRET
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        # A changed day may be one that is over.
        assert sealer.open("s", "c", bytes(changed)) in (NotOpened.SECRET, NotOpened.OVER)


@pytest.mark.parametrize("wait_ms", [1_000, HOUR, 13 * HOUR, LONGEST_WAIT_MS])
def test_a_message_can_be_read_until_its_wait_is_over_and_not_a_day_and_an_hour_later(wait_ms: int) -> None:
    """By the keyring of that time, whatever the length of the wait and the hour at which it began."""
    for began in range(NOON - DAY_MS, NOON, HOUR):
        keyring = roll_days(Keyring(), began)
        sealed = by_days(keyring).seal("s", "c", SAID, began + wait_ms)
        at_its_end = roll_days(keyring, began + wait_ms)
        assert by_days(at_its_end).open("s", "c", sealed) == SAID
        later = roll_days(at_its_end, began + wait_ms + DAY_MS + GRACE_MS)
        assert by_days(later).open("s", "c", sealed) is NotOpened.OVER


def test_messages_of_before_open_by_the_lasting_secret_as_long_as_it_is_in_the_keyring() -> None:
    """Sealed by a process without a keyring, opened by one that seals under days."""
    before = Sealer(ServiceKeys.of_secret(b"secret"))
    sealed = before.seal("s", "c", SAID, NOON)
    assert not sealed.startswith(BY_DAY)
    keyring = roll_days(keys_of_secret(b"secret"), NOON)
    assert by_days(keyring).open("s", "c", sealed) == SAID
    assert by_days(keyring.without(*keys_of_secret(b"secret").keys)).open("s", "c", sealed) is NotOpened.SECRET
    assert before.open("s", "c", by_days(keyring).seal("s", "c", SAID, NOON)) is NotOpened.SECRET


def test_a_nonce_that_looks_like_a_day_is_no_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message in 2^32 under a lasting key begins as those under a day do; it opens all the same."""
    sealer = Sealer(ServiceKeys(roll_days(keys_of_secret(b"secret"), NOON), _lasting()))
    monkeypatch.setattr(os, "urandom", lambda _: b"day|" + b"2026-11-")
    assert sealer.open("s", "c", sealer.seal("s", "c", SAID, NOON)) == SAID


def _lasting() -> KeysInUse:
    return ServiceKeys.of_secret(b"secret").in_use


def test_a_former_key_still_recognises_a_request_and_finds_a_handle() -> None:
    """The first digest is the newest key's; without rotation the digests are those of the versions before."""
    one, two = (new_key(Purpose.REQUEST, NOON) for _ in range(2))
    first, second = (new_key(Purpose.HANDLE, NOON) for _ in range(2))
    keyring = Keyring((one, two, first, second))

    def keys(*used: object) -> ServiceKeys:
        request = tuple(KeyInUse.of(key) for key in (one, two) if key in used)
        handle = tuple(KeyInUse.of(key) for key in (first, second) if key in used)
        return ServiceKeys(keyring, KeysInUse(request, handle, (), 1, 0, 0))

    before, after = keys(one, first), keys(one, two, first, second)
    assert after.request_digests(b"r")[1:] == before.request_digests(b"r")
    assert after.handle_digests("ann")[1:] == before.handle_digests("ann")
    assert after.newest_digest(before.handle_digests("ann")[0]) == after.handle_digests("ann")[0]
    assert after.newest_digest(after.handle_digests("ann")[0]) == after.handle_digests("ann")[0]
    assert len({*after.request_digests(b"r"), *after.handle_digests("ann")}) == 4
    plain = ServiceKeys.of_secret(b"secret")
    assert plain.request_digests(b"r") == ("3b4ff043807f5ab9de6a753e327bdff7",)
    assert plain.handle_digests("ann") == ("d84266aca2e9f689748348bab5e1cefd",)


def test_the_customers_interests_wait_with_the_text_and_a_text_of_before_has_none() -> None:
    """They come back in the message, sealed as the text is; what a version before sealed is read without them."""
    sealer = by_days(roll_days(Keyring(), NOON))
    message = replace(SAID.message, text="", interests=("coral reefs", "bees"), interests_shareable=True)
    sealed = sealer.seal("s", "c", WaitingText.of(message), NOON + HOUR)
    assert b"reefs" not in sealed
    opened = sealer.open("s", "c", sealed)
    assert isinstance(opened, WaitingText)
    assert opened.message("ann", Requirements()) == message
    before = msgspec.json.decode(
        b'{"text":"hi","media_type":"text/plain","kept":null,"set_aside":[]}', type=WaitingText
    )
    assert before.message("ann", Requirements()) == Message("hi", "ann", Requirements())
