"""The watch over the keys, at days of the test's own: days come and go, and the secret of before ends."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from matcher.config import load
from matcher.errors import StoreUnfit
from matcher.model import Message, Requirements
from matcher.server.keys import KeyWatch, open_keys
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.keyring.faults import KeyringWrong, KeysMissing
from matcher.store.keyring.key_record import KeyRecord, KeyRegistry
from matcher.store.keyring.keyring_file import KeyringFile
from matcher.store.keyring.secret_keys import DAY_MS, GRACE_MS, LONGEST_WAIT_MS, SECRET_ID, Purpose, day_of
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.redis.client import StoreClient
from matcher.store.sealer import BY_DAY, NotOpened, Sealer, WaitingMessage
from tests.people import wait_until

SAID = WaitingMessage(Message("The smoker for my bees has a dent.", "ann", Requirements()), auto_accept=False)


@dataclass
class Days:
    """An embedded store, its keyring, and the time by which the keys are watched."""

    data_dir: Path
    client: StoreClient
    redis: Redis
    now_ms: int

    @property
    def file(self) -> KeyringFile:
        """Return the keyring's file."""
        return KeyringFile(self.data_dir.with_name("data.keys"))

    async def start(self) -> KeyWatch:
        """Open the keys as a start of the service does."""
        return await open_keys(load({}, data_dir=self.data_dir), self.client, Record(self))

    def days(self) -> list[str]:
        """Return the days whose keys are in the file."""
        return [key.id for key in self.file.read().of(Purpose.SEAL) if key.id != SECRET_ID]


class Record(KeyRegistry):
    """The store's record, by the time of the test."""

    def __init__(self, days: Days) -> None:
        super().__init__(days.client)
        self._days = days

    async def read(self) -> KeyRecord:
        """Read it as if at the test's time."""
        return replace(await super().read(), now_ms=self._days.now_ms)


@pytest.fixture
async def days(tmp_path: Path) -> AsyncIterator[Days]:
    """Give an embedded store without keys, at this moment."""
    store = await EmbeddedStore.open(EmbeddedSettings(tmp_path / "data"))
    client, redis = StoreClient(store.url), Redis.from_url(store.url)
    try:
        await client.start()
        yield Days(tmp_path / "data", client, redis, int(time.time() * 1000))
    finally:
        await redis.aclose()
        await client.close()
        await store.close()


async def test_days_come_and_go_while_the_service_runs(days: Days) -> None:
    """Each day of a fortnight has its key in time; a message is readable to the end of its wait and no day longer."""
    watch = await days.start()
    sealer = Sealer(watch.keys)
    began, sealed = days.now_ms, dict[int, bytes]()
    for wait_ms in (3_600_000, 2 * DAY_MS, LONGEST_WAIT_MS):
        sealed[wait_ms] = sealer.seal("s", "c", SAID, days.now_ms + wait_ms)
    for _ in range(14 * 4):
        days.now_ms += DAY_MS // 4
        await watch.check()
        assert watch.fault == ""
        assert days.days()[0] in {day_of(days.now_ms), day_of(days.now_ms - GRACE_MS)}
        assert set(await days.redis.hkeys("m:keys")) - {b"in_use"} <= {day.encode() for day in days.days()}
        assert day_of(days.now_ms).encode() in await days.redis.hkeys("m:keys")
        for wait_ms, text in sealed.items():
            if days.now_ms <= began + wait_ms:
                assert sealer.open("s", "c", text) == SAID
            if days.now_ms > began + wait_ms + DAY_MS + GRACE_MS:
                assert sealer.open("s", "c", text) is NotOpened.OVER


async def test_two_processes_on_one_file_have_the_same_days(days: Days) -> None:
    """Both roll at the same time: what one seals the other opens."""
    one, other = await days.start(), await days.start()
    for _ in range(12):
        days.now_ms += DAY_MS
        await one.check()
        await other.check()
        assert (one.fault, other.fault) == ("", "")
        sealed = Sealer(one.keys).seal("s", "c", SAID, days.now_ms + LONGEST_WAIT_MS)
        assert Sealer(other.keys).open("s", "c", sealed) == SAID


async def test_the_secret_that_the_store_kept_ends_when_nothing_needs_it(days: Days) -> None:
    """A week and an hour after the first start it is in no key and no file of the store, and no keyring opens by it."""
    secret = b"m-secret of before: thirty-two b"
    await days.redis.set("m:secret", secret)
    earlier = Sealer(ServiceKeys.of_secret(secret)).seal("s", "c", SAID, days.now_ms)
    watch = await days.start()
    days.now_ms += LONGEST_WAIT_MS
    await watch.check()
    assert Sealer(watch.keys).open("s", "c", earlier) == SAID
    assert await days.redis.exists("m:secret") == 1
    days.now_ms += GRACE_MS + 1
    await watch.check()
    await watch.check()
    assert await days.redis.exists("m:secret") == 0
    assert Sealer(watch.keys).open("s", "c", earlier) is NotOpened.SECRET
    assert days.file.read().find(Purpose.SEAL, SECRET_ID) is None

    async def gone() -> bool:
        for path in [path for path in days.data_dir.rglob("*") if path.is_file()]:
            with suppress(FileNotFoundError):  # a file of the rewrite under way
                if secret in path.read_bytes():
                    return False
        return True

    await wait_until(gone, "the append-only file is rewritten")
    watch = await days.start()
    assert watch.keys.handle_digests("ann") == ServiceKeys.of_secret(secret).handle_digests("ann")


async def test_a_store_of_others_is_sealed_by_day_when_the_operator_says_so(days: Days) -> None:
    """Processes of an earlier version, or without a keyring, may use the store, and could not read such texts."""
    await days.redis.set("m:secret", b"m-secret of before: thirty-two b")
    own = {"MATCHER_STORE_URL": days.client.address, "MATCHER_SEAL_KEYS_FILE": str(days.file.path)}
    watch = await open_keys(load(own), days.client)
    assert not watch.keys.in_use.by_day
    assert not Sealer(watch.keys).seal("s", "c", SAID, days.now_ms).startswith(BY_DAY)


async def test_a_keyring_of_the_operator_is_warned_of_in_time(days: Days) -> None:
    """A week before it has too few days the log says from which day on, once; then the fault names the day."""
    await days.start()
    last = days.days()[-1]
    days.file.path.chmod(0o400)
    with capture_logs() as lines:
        watch = await days.start()
        await watch.check()
    after = day_of(int(time.time() * 1000) + len(days.days()) * DAY_MS)
    assert last < after
    assert [line["day"] for line in lines if line["log_level"] == "warning"] == [after]
    days.now_ms += 2 * DAY_MS
    await watch.check()
    assert watch.fault == f"the keyring has no seal key for {after}, until when a text may wait"
    assert watch.keys.keyring.find(Purpose.SEAL, last) is not None


async def test_another_secret_than_the_keyrings_is_refused_by_name(days: Days) -> None:
    """MATCHER_SECRET was changed: the digests of before would not be recognised."""
    given = {"MATCHER_SECRET": "a secret of thirty-two bytes and more", "MATCHER_DATA_DIR": str(days.data_dir)}
    await open_keys(load(given), days.client)
    with pytest.raises(KeyringWrong) as refused:
        await open_keys(load({**given, "MATCHER_SECRET": "another secret of thirty-two bytes"}), days.client)
    assert "its seal key secret is another than MATCHER_SECRET or m:secret" in str(refused.value)
    without = {"MATCHER_DATA_DIR": str(days.data_dir)}
    watch = await open_keys(load(without), days.client)
    assert watch.keys.request_digests(b"r") == ServiceKeys.of_secret(given["MATCHER_SECRET"].encode()).request_digests(
        b"r"
    )


async def test_a_malformed_record_is_refused_by_name(days: Days) -> None:
    """Nothing is guessed: the start ends with the name of the record."""
    await days.redis.hset("m:keys", "in_use", "{}")
    with pytest.raises(StoreUnfit) as refused:
        await days.start()
    assert "its record m:keys of the keys in use is malformed" in str(refused.value)


async def test_a_store_that_lost_the_record_gets_it_again(days: Days) -> None:
    """As after a failover: the process writes which keys it uses, and goes on."""
    watch = await days.start()
    await days.redis.delete("m:keys")
    await watch.check()
    assert watch.fault == ""
    assert (await KeyRegistry(days.client).read()).in_use == watch.keys.in_use


async def test_a_lost_keyring_is_not_made_anew_and_a_new_beginning_is_asked_for(days: Days) -> None:
    """The start names the keys that are missing and writes no file; after the record is removed it makes new keys."""
    watch = await days.start()
    handle = watch.keys.in_use.handle[0].id
    days.file.path.unlink()
    with pytest.raises(KeysMissing) as refused:
        await days.start()
    assert f"this process lacks the handle key {handle}, which is in use" in str(refused.value)
    assert not days.file.exists
    await KeyRegistry(days.client).start_over()
    assert (await days.start()).keys.in_use.handle[0].id != handle
