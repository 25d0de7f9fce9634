"""Praise in the store: sealed under the newest key, numbered as it comes, and off the lists when its time is over."""

from __future__ import annotations

from matcher.model.outcomes import Life
from matcher.store.keyring.key_record import KeyInUse, KeysInUse
from matcher.store.keyring.secret_keys import Keyring, Purpose, SecretKey
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.keys import Keys
from matcher.store.praise import PraiseStore, PraiseWrite, _id_of
from tests.store.stage import EVENTS_KEPT, LONG_MS, Stage

OLD, NEW = (SecretKey(Purpose.HANDLE, name, name.encode() * 16) for name in ("k1", "k2"))
REQUEST = SecretKey(Purpose.REQUEST, "r1", b"r" * 32)
KEYRING = Keyring((OLD, NEW, REQUEST))
UIDS = {"ann": "u-1"}


def in_use(*handles: SecretKey) -> KeysInUse:
    """Return keys in use with these handle keys."""
    return KeysInUse((KeyInUse.of(REQUEST),), tuple(map(KeyInUse.of, handles)), (), 1, 0, 0)


def words(contact: str, text: str, agent: str = "ann") -> PraiseWrite:
    """Return praise of an agent."""
    return PraiseWrite(Life(contact, 1_000), agent, UIDS.get(agent, ""), "", "survey", text)


async def test_praise_is_sealed_again_under_the_newest_key(stage: Stage) -> None:
    """After that the former key is not needed for it."""
    keys = ServiceKeys(KEYRING, in_use(OLD))
    store = PraiseStore(stage.connection, keys, kept_ms=LONG_MS, events_kept=EVENTS_KEPT)
    assert await store.put(stage.site, words("c-1", "She was kind."))
    keys.change(KEYRING, in_use(OLD, NEW))
    for _ in range(2):  # a repetition changes nothing
        await store.reseal(stage.site)
    keys.change(Keyring((NEW, REQUEST)), in_use(OLD, NEW))
    page = await store.page(stage.site, UIDS, 9, None)
    assert [one.text for one in page.page.items] == ["She was kind."]


async def test_praise_whose_time_is_over_leaves_its_list(stage: Stage) -> None:
    """The list does not grow with what is gone; corrected words have a new number and are read after the old one."""
    keys = ServiceKeys(KEYRING, in_use(OLD))
    store = PraiseStore(stage.connection, keys, kept_ms=LONG_MS, events_kept=EVENTS_KEPT)
    for contact in ("c-1", "c-2"):
        assert await store.put(stage.site, words(contact, f"Thanks for {contact}."))
    assert not await store.put(stage.site, words("c-2", "Thanks for c-2."))
    assert await store.put(stage.site, words("c-1", "Many thanks."))
    assert await store.last(stage.site) == 3
    later, last = await store.after(stage.site, UIDS, 2)
    assert ([(one.number, one.text) for one in later], last) == ([(3, "Many thanks.")], 3)
    await stage.raw("PEXPIRE", Keys(stage.site).praise(_id_of(words("c-2", ""))), 0)
    page = await store.page(stage.site, UIDS, 9, None)
    assert [one.text for one in page.page.items] == ["Many thanks."]
    assert await stage.raw("ZCARD", Keys(stage.site).praised("ann")) == 1
    assert 0 < await stage.raw("PTTL", Keys(stage.site).praised("ann")) <= LONG_MS
    assert (await store.page(stage.site, {"ann": "u-2"}, 9, None)).page.items == (), "another person of the id"
