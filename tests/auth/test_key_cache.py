"""The keys of a process: a call is answered from memory, also while the store is away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import pytest

from matcher.auth.access_keys import AccessKey, new_access_key, parts_of
from matcher.auth.key_cache import GOOD_SECONDS, USED_SECONDS, KeyCache, StoredKeys
from matcher.auth.principal import Grant, PrincipalKind, Role
from matcher.errors import (
    AccessKeysUnknown,
    CredentialsExpired,
    CredentialsRevoked,
    CredentialsWrong,
    MatcherError,
    StoreUnavailable,
)

NOW_MS = 1_795_000_000_000
GRANTS = (Grant(Role.OBSERVER),)


@dataclass
class Kept:
    """A store of keys that counts what is asked of it, and can be away."""

    keys: tuple[AccessKey, ...] = ()
    version_now: int = 0
    away: bool = False
    asked: list[str] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)

    def put(self, *keys: AccessKey) -> None:
        """Replace the keys."""
        self.keys, self.version_now = keys, self.version_now + 1

    async def version(self) -> bytes:
        """Return the version."""
        self._ask("version")
        return str(self.version_now).encode()

    async def read(self) -> StoredKeys:
        """Return the keys."""
        self._ask("read")
        return StoredKeys(str(self.version_now).encode(), self.keys)

    async def note_used(self, used: Mapping[str, int]) -> None:
        """Remember when keys were used."""
        self._ask("used")
        self.used |= used

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise StoreUnavailable("s", "away")


@dataclass
class Time:
    """A clock that a test turns."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        """Return seconds."""
        return self.seconds

    def now_ms(self) -> int:
        """Return milliseconds since 1970."""
        return NOW_MS + round(self.seconds * 1000)


@dataclass
class Desk:
    """A cache on such a store."""

    kept: Kept
    time: Time
    cache: KeyCache

    def why(self, text: str) -> type[MatcherError]:
        """Return the error that a key's text gets."""
        with pytest.raises(MatcherError) as refused:
            self.cache.identify(text)
        assert not text or text not in str(refused.value)
        return type(refused.value)


@pytest.fixture
def desk() -> Desk:
    """Return a cache that has read nothing yet."""
    kept, time = Kept(), Time()
    return Desk(kept, time, KeyCache(kept, time.monotonic, time.now_ms))


async def test_a_key_names_its_principal_and_nothing_else_does(desk: Desk) -> None:
    """The text opens; another secret, another id and half a key do not, and no call asks the store."""
    key, text = new_access_key("crm", GRANTS, NOW_MS)
    other = new_access_key("crm", GRANTS, NOW_MS)[1]
    desk.kept.put(key)
    await desk.cache.refresh()
    asked = list(desk.kept.asked)
    known = desk.cache.identify(text)
    assert (known.principal.name, known.principal.kind, known.principal.grants) == ("crm", PrincipalKind.KEY, GRANTS)
    assert known.fault() is None
    secret = (parts_of(other) or ("", ""))[1]
    for wrong in (other, f"mk_{key.id}_{secret}", text[:-1], text + "x", "mk_", "", text.upper()):
        assert desk.why(wrong) is CredentialsWrong
    assert desk.kept.asked == asked


async def test_only_the_digest_of_a_secret_is_kept(desk: Desk) -> None:
    """What the store and the memory hold opens nothing."""
    key, text = new_access_key("crm", GRANTS, NOW_MS)
    secret = (parts_of(text) or ("", ""))[1]
    assert secret not in repr(key)
    assert secret.encode() not in msgspec.msgpack.encode(key.digest)
    desk.kept.put(key)
    await desk.cache.refresh()
    assert desk.why(f"mk_{key.id}_{key.digest.hex()[:43]}") is CredentialsWrong


async def test_a_key_ends_at_its_time_and_when_it_is_revoked(desk: Desk) -> None:
    """A caller who still shows the key learns what became of it; a stream that was opened with it learns the same."""
    key, text = new_access_key("crm", GRANTS, NOW_MS, NOW_MS + 60_000)
    desk.kept.put(key)
    await desk.cache.refresh()
    known = desk.cache.identify(text)
    desk.time.seconds = 60
    assert desk.why(text) is CredentialsExpired
    assert isinstance(known.fault(), CredentialsExpired)
    desk.kept.put(msgspec.structs.replace(key, revoked_ms=NOW_MS))
    await desk.cache.refresh()
    assert desk.why(text) is CredentialsRevoked
    assert isinstance(known.fault(), CredentialsRevoked)
    desk.kept.put()
    await desk.cache.refresh()
    assert desk.why(text) is CredentialsWrong
    assert isinstance(known.fault(), CredentialsRevoked)


async def test_the_keys_are_read_again_only_where_they_have_changed(desk: Desk) -> None:
    """Otherwise one small question is asked."""
    await desk.cache.refresh()
    for _ in range(3):
        await desk.cache.refresh()
    desk.kept.put(new_access_key("crm", GRANTS, NOW_MS)[0])
    await desk.cache.refresh()
    assert desk.kept.asked == ["read", "version", "version", "version", "version", "read"]


async def test_known_keys_open_for_ten_minutes_while_the_store_is_away(desk: Desk) -> None:
    """After that nobody can be told from a caller whose key was revoked meanwhile; when it is back all is as before."""
    key, text = new_access_key("crm", GRANTS, NOW_MS)
    desk.kept.put(key)
    await desk.cache.refresh()
    known = desk.cache.identify(text)
    desk.kept.away = True
    with pytest.raises(StoreUnavailable):
        await desk.cache.refresh()
    desk.time.seconds = GOOD_SECONDS
    assert desk.cache.identify(text) is known
    desk.time.seconds = GOOD_SECONDS + 0.1
    assert desk.why(text) is AccessKeysUnknown
    assert isinstance(known.fault(), AccessKeysUnknown)
    desk.kept.away = False
    await desk.cache.refresh()
    assert desk.cache.identify(text) is known


async def test_when_a_key_was_last_used_is_written_once_a_minute(desk: Desk) -> None:
    """However many calls there were; a key that was not used writes nothing."""
    key, text = new_access_key("crm", GRANTS, NOW_MS)
    desk.kept.put(key)
    await desk.cache.refresh()
    for _ in range(5):
        desk.cache.identify(text)
    await desk.cache.write_used()
    assert desk.kept.used == {}
    desk.time.seconds = USED_SECONDS
    desk.cache.identify(text)
    await desk.cache.write_used()
    assert desk.kept.used == {key.id: NOW_MS + 60_000}
    desk.time.seconds = 3 * USED_SECONDS
    await desk.cache.write_used()
    assert desk.kept.asked.count("used") == 1
