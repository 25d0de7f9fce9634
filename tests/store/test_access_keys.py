"""Access keys in the store: two live for a principal, and of two changes at once none is lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from matcher.auth.access_keys import LIVE_OF_A_NAME, parts_of
from matcher.auth.principal import Grant, Role
from matcher.errors import AccessKeyExists, AccessKeyNotFound, AccessKeysLive
from matcher.services.access_keys import KEPT_MS, AccessKeyService
from matcher.store.access_keys import AccessKeyStore
from matcher.store.keys import ACCESS, ACCESS_USED
from tests.store.access import Admin, DeclaredConnection

GRANTS = (Grant(Role.SUPERVISOR, frozenset({"acme"}), frozenset({"billing"})), Grant(Role.OBSERVER))
NOW_MS = 1_795_000_000_000


@dataclass
class Clock:
    """A clock that a test turns."""

    now_ms: int = NOW_MS

    def __call__(self) -> int:
        """Return milliseconds since 1970."""
        return self.now_ms


@dataclass
class Kept:
    """The keys of a store that has none yet."""

    store: AccessKeyStore
    clock: Clock
    service: AccessKeyService
    admin: Admin

    async def live(self) -> list[str]:
        """Return the principals of the live keys."""
        return [key.principal for key in (await self.store.read()).keys if key.lives(self.clock())]


@pytest.fixture
async def kept(declared: DeclaredConnection, admin: Admin) -> Kept:
    """Give the keys of a store without any, whose verb may use nothing but its KEYS."""
    await admin.delete(ACCESS, ACCESS_USED)
    store, clock = AccessKeyStore(declared), Clock()
    return Kept(store, clock, AccessKeyService(store, now_ms=clock), admin)


async def test_a_key_is_stored_without_its_secret(kept: Kept) -> None:
    """What is read is what was made, and no value of the store holds the secret or its text."""
    key, text = await kept.service.create("crm", GRANTS, 60_000)
    assert (await kept.store.read()).keys == (key,)
    assert (key.grants, key.expires_ms) == (GRANTS, NOW_MS + 60_000)
    secret = (parts_of(text) or ("", ""))[1]
    assert secret.encode() not in b"".join((await kept.admin.hgetall(ACCESS)).values())


async def test_a_principal_has_one_key_and_for_a_rotation_two(kept: Kept) -> None:
    """A second one is made by a rotation only, a third one never; a revoked one gives way."""
    first, _ = await kept.service.create("crm", GRANTS)
    with pytest.raises(AccessKeyExists):
        await kept.service.create("crm", GRANTS)
    second, _ = await kept.service.rotate("crm")
    assert second.grants == first.grants
    with pytest.raises(AccessKeysLive):
        await kept.service.rotate("crm")
    assert await kept.live() == ["crm"] * LIVE_OF_A_NAME
    assert [key.id for key in await kept.service.revoke(key_id=first.id)] == [first.id]
    await kept.service.rotate("crm")
    assert len(await kept.service.revoke(principal="crm")) == LIVE_OF_A_NAME
    assert await kept.live() == []
    for nobody in ("crm", "somebody"):
        with pytest.raises(AccessKeyNotFound):
            await kept.service.rotate(nobody)
    with pytest.raises(AccessKeyNotFound):
        await kept.service.revoke(key_id=first.id)


async def test_the_present_key_ends_when_the_overlap_of_a_rotation_is_over(kept: Kept) -> None:
    """It is never prolonged by that."""
    first, _ = await kept.service.create("crm", GRANTS, 60_000)
    await kept.service.rotate("crm", overlap_ms=10_000)
    ends = {key.id: key.expires_ms for key in (await kept.store.read()).keys}
    assert ends[first.id] == NOW_MS + 10_000
    brief, _ = await kept.service.create("desk", GRANTS, 60_000)
    await kept.service.rotate("desk", overlap_ms=90_000)
    ends = {key.id: key.expires_ms for key in (await kept.store.read()).keys}
    assert ends[brief.id] == NOW_MS + 60_000


async def test_a_rotation_keeps_the_lifetime_that_the_key_was_made_for(kept: Kept) -> None:
    """A key that expires is never followed by one that does not, unless the caller of the rotation says how long."""
    await kept.service.create("crm", GRANTS, 60_000)
    next_key, _ = await kept.service.rotate("crm", overlap_ms=10_000)
    assert next_key.expires_ms == NOW_MS + 60_000
    await kept.service.create("desk", GRANTS, 60_000)
    longer, _ = await kept.service.rotate("desk", 90_000)
    assert longer.expires_ms == NOW_MS + 90_000
    await kept.service.create("lasting", GRANTS)
    lasting, _ = await kept.service.rotate("lasting")
    assert lasting.expires_ms == 0


async def test_keys_that_ended_can_be_listed_for_a_month(kept: Kept) -> None:
    """Then the next key that is made takes their place, with when they were last used."""
    old, _ = await kept.service.create("crm", GRANTS)
    await kept.store.note_used({old.id: NOW_MS})
    await kept.service.revoke(principal="crm")
    kept.clock.now_ms += KEPT_MS
    await kept.service.create("crm", GRANTS)
    assert [(key.id, used) for key, used in await kept.service.keys() if used] == [(old.id, NOW_MS)]
    kept.clock.now_ms += 1
    await kept.service.create("desk", GRANTS)
    assert sorted(key.principal for key, _ in await kept.service.keys()) == ["crm", "desk"]
    assert await kept.store.used() == {}


async def test_of_changes_at_once_none_is_lost(kept: Kept) -> None:
    """Eight owners make a key each at the same moment."""
    names = [f"caller-{number}" for number in range(8)]
    await asyncio.gather(*(kept.service.create(name, GRANTS) for name in names))
    assert await kept.live() == names
    made = await asyncio.gather(*(kept.service.create("one", GRANTS) for _ in range(4)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in made) == ["AccessKeyExists"] * 3 + ["tuple"]
