"""What was heard: each contact counts once, people are counted and not kept, and a day's counts end after 90 days."""

from __future__ import annotations

import pytest

from matcher.errors import SiteNotFound
from matcher.store.listening import AFTERWARDS_MS, DAY_MS, KEPT_DAYS, EntryCount, Heard, HeardDay, ListeningStore
from matcher.store.rewriting import RewriteStore
from tests.store.stage import Stage

POOL = "default"


def store_of(stage: Stage) -> ListeningStore:
    """Return the store of a process."""
    return ListeningStore(stage.connection, RewriteStore(stage.connection))


async def life_of(stage: Stage) -> str:
    """Return the uid of the site's life."""
    life = await stage.sites.living(stage.site)
    assert life is not None
    return life.uid


async def today(stage: Stage) -> int:
    """Return the day of the store's clock."""
    return await stage.now_ms() // DAY_MS


async def test_a_contact_counts_once_also_in_another_process(stage: Stage) -> None:
    """Routed again, or heard by two processes: one contact. A customer who comes twice is one person."""
    day = await today(stage)
    await stage.line_up("k1")
    heard = [Heard("k1", "mail:a", (("i:cats", False), ("t:gift", True))), Heard("k2", "mail:a", (("i:cats", True),))]
    assert await store_of(stage).count(stage.site, await life_of(stage), POOL, day, heard) == 2
    again = [Heard("k1", "mail:a", (("i:cats", False),))]
    assert await store_of(stage).count(stage.site, await life_of(stage), POOL, day, again) == 0
    assert await store_of(stage).days(stage.site, POOL, day - 1, day + 1) == [
        HeardDay(day, 2, {"i:cats": EntryCount(2, 1, 1), "t:gift": EntryCount(1, 1, 1)})
    ]
    assert await store_of(stage).days(stage.site, "sales", day, day) == []


async def test_contacts_without_a_customer_are_a_person_each(stage: Stage) -> None:
    """150 contacts go in several calls, and none is lost."""
    day = await today(stage)
    heard = [Heard(f"n{number}", "", (("i:cats", False),)) for number in range(150)]
    assert await store_of(stage).count(stage.site, await life_of(stage), POOL, day, heard) == 150
    (found,) = await store_of(stage).days(stage.site, POOL, day, day)
    count = found.entries["i:cats"]
    assert (found.contacts, count.contacts) == (150, 150)
    assert abs(count.people - 150) <= 5  # a HyperLogLog, nearly exact where few are counted


async def test_people_and_the_salt_end_ten_minutes_after_the_day_and_counts_after_ninety_days(stage: Stage) -> None:
    """No key of listening lives longer, and none holds a word, a handle or a contact's id."""
    day = await today(stage)
    await store_of(stage).count(
        stage.site, await life_of(stage), POOL, day, [Heard("k", "mail:ann@example.org", (("i:cats", False),))]
    )
    ends = {
        stage.keys.people(POOL, day, "i:cats"): (day + 1) * DAY_MS + AFTERWARDS_MS,
        stage.keys.salt(day): (day + 1) * DAY_MS + AFTERWARDS_MS,
        stage.keys.heard(POOL, day): (day + 1 + KEPT_DAYS) * DAY_MS,
    }
    for key, end in ends.items():
        assert await stage.raw("PEXPIRETIME", key) == end
        assert b"ann@example" not in await stage.raw("DUMP", key)


async def test_a_process_forgets_the_salt_with_the_day(stage: Stage) -> None:
    """Until ten minutes after the day two processes have the same salt."""
    day = await today(stage)
    store = store_of(stage)
    await store.count(stage.site, await life_of(stage), POOL, day, [Heard("k", "", (("i:cats", False),))])
    assert await store.forget_past(lambda _: (day + 1) * DAY_MS) == []
    assert await store.forget_past(lambda _: (day + 1) * DAY_MS + AFTERWARDS_MS) == [stage.site]
    assert await store.forget_past(lambda _: (day + 1) * DAY_MS + AFTERWARDS_MS) == []


async def test_what_was_heard_of_a_former_site_is_not_counted_in_the_next_one_of_the_id(plain_stage: Stage) -> None:
    """A process that gathers for a minute writes it after the site was deleted and created again."""
    stage = plain_stage
    day, former, before = await today(stage), await life_of(stage), store_of(stage)
    heard = [Heard("k1", "mail:a", (("i:cats", False),))]
    assert await before.count(stage.site, former, POOL, day, heard) == 1
    await stage.clear()
    for store in (before, store_of(stage)):
        with pytest.raises(SiteNotFound):
            await store.count(stage.site, former, POOL, day, heard)
    assert await stage.raw("EXISTS", stage.keys.salt(day)) == 0
    await stage.set_up()
    for store in (before, store_of(stage)):
        with pytest.raises(SiteNotFound):
            await store.count(stage.site, former, POOL, day, heard)
    assert await before.days(stage.site, POOL, day, day) == []
    assert await before.count(stage.site, await life_of(stage), POOL, day, heard) == 1
