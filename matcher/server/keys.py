"""The keys of the process: taken from the keyring at the start, compared with the store's record while it runs."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

import msgspec
import structlog

from matcher.config import PREFIX, Settings
from matcher.errors import MatcherError, StoreUnfit
from matcher.store.keyring.faults import KeyringWrong, KeysMissing
from matcher.store.keyring.key_record import KeyInUse, KeyRecord, KeyRegistry, KeysInUse, faults_of
from matcher.store.keyring.keyring_file import KeyringFile
from matcher.store.keyring.secret_keys import (
    DAYS_AHEAD,
    DAYS_NEEDED,
    KEY_BYTES,
    SECRET_ID,
    Keyring,
    Purpose,
    day_of,
    days_missing,
    days_over,
    is_over,
    keys_of_secret,
    new_key,
    roll_days,
)
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.redis.client import StoreClient

log = structlog.get_logger(__name__)

CHECK_SECONDS: Final = 2.0
"""How often a process reads the store's record: a key that `matcher keys use` names is in use after that."""
DAYS_WARNED: Final = 7
"""How many days before the keyring of an operator has too few days the log says so."""
REFUSED_FROM: Final = "0.2.0"
"""The release that will not start without a keyring, nor with a secret of less than 32 bytes."""


class KeyWatch:
    """Keeps the keys of the process those of the keyring and of the store's record, and rolls the keys of the day."""

    def __init__(
        self,
        file: KeyringFile | None,
        registry: KeyRegistry,
        keys: ServiceKeys,
        *,
        embedded: bool = False,
    ) -> None:
        """Take the parts; file None: no keyring is given. embedded: the store is this service's own."""
        self.keys = keys
        self.fault = ""
        """Why this process cannot go on with its keys; "": it can."""
        self._file = file
        self._registry = registry
        self._embedded = embedded
        self._stamp: tuple[int, int] | None = None
        self._last_day = ""

    async def run(self) -> None:
        """Check again and again, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.check()
            except (KeyringWrong, StoreUnfit) as fault:
                self.fault = str(fault)
            except MatcherError:
                # The store is away: the readiness says so, and the record cannot change meanwhile.
                continue

    async def check(self) -> None:
        """Follow the keyring and the record. Raises KeyringWrong, or what the store raises."""
        record = await self._registry.read()
        keyring, now = await self._keyring(record.now_ms), record.now_ms
        if record.in_use is None:
            # The store has lost its record, as it may lose others in a failover.
            record = await self._registry.begin(self.keys.in_use)
        self._warn_of_last_day(keyring, now)
        faults = faults_of(keyring, record)
        self.fault = "; ".join(faults)
        in_use = record.in_use
        if faults or in_use is None:
            return
        if (keyring, in_use) != (self.keys.keyring, self.keys.in_use):
            self.keys.change(keyring, in_use)
        await self._note_days(keyring, record, now)
        if in_use.seal and in_use.seal_is_over(now):
            await self._drop_secret(record, in_use)

    async def _keyring(self, now_ms: int) -> Keyring:
        """Return the keyring: read again where the file was replaced, and with the keys of the day made and removed."""
        if self._file is None:
            return self.keys.keyring
        keyring, stamp = self.keys.keyring, await asyncio.to_thread(self._file.stamp)
        if stamp != self._stamp:
            keyring, self._stamp = await asyncio.to_thread(self._file.read), stamp
        if days_over(keyring, now_ms) or days_missing(keyring, now_ms, DAYS_AHEAD):
            if self._file.kept_by_operator:
                return keyring.without(*days_over(keyring, now_ms))
            keyring = await asyncio.to_thread(self._file.change, lambda current: roll_days(current, now_ms))
        return keyring

    def _warn_of_last_day(self, keyring: Keyring, now_ms: int) -> None:
        """Warn once for each day from which on a keyring that the operator keeps has no keys."""
        if self._file is None or not self._file.kept_by_operator:
            return
        missing = days_missing(keyring, now_ms, DAYS_NEEDED + DAYS_WARNED)
        if missing and missing[0] != self._last_day:
            self._last_day = missing[0]
            log.warning("the keyring has no seal key from a day on: `matcher keys days` makes more", day=missing[0])

    async def _note_days(self, keyring: Keyring, record: KeyRecord, now_ms: int) -> None:
        """Write the fingerprints of today's key and of those that have sealed a text; remove those of days gone."""
        used = {day_of(now_ms), *self.keys.days_used} if self.keys.in_use.by_day else set[str]()
        new = [key for key in keyring.of(Purpose.SEAL) if key.id in used and key.id not in record.days]
        await self._registry.use_days(new)
        over = [day for day in record.days if is_over(day, now_ms)]
        await self._registry.drop_days(over)
        self.keys.days_used.difference_update(over)

    async def _drop_secret(self, record: KeyRecord, in_use: KeysInUse) -> None:
        """Remove the lasting key of texts: from the keyring, from the store, and from the embedded store's files."""
        if self._file is not None and not self._file.kept_by_operator:
            await asyncio.to_thread(self._file.change, _without_lasting_seal_keys)
        await self._registry.drop_stored_secret()
        if self._embedded:
            await self._registry.rewrite_append_only_file()
        await self._registry.change(record, msgspec.structs.replace(in_use, seal=()))


async def open_keys(settings: Settings, client: StoreClient, registry: KeyRegistry | None = None) -> KeyWatch:
    """Take the keys of the keyring that the settings name, or the one secret where they name none.

    registry: the record of keys in use, by default the store's. Raises KeyringWrong, KeysMissing with the ids of the
    keys, or what the store raises.
    """
    registry, given = registry or KeyRegistry(client), settings.secret.get_secret_value().encode()
    if given and len(given) < KEY_BYTES:
        log.warning("MATCHER_SECRET is shorter than 32 bytes; a later release refuses it", refused_from=REFUSED_FROM)
    embedded = not settings.store_url.get_secret_value()
    file = KeyringFile(settings.keyring_file) if settings.keyring_file else None
    if file is None:
        log.warning(
            "no keyring is given, so the key of texts that wait outlives them; "
            "a later release does not start without MATCHER_SEAL_KEYS_FILE",
            refused_from=REFUSED_FROM,
        )
        keyring = keys_of_secret(given or await client.shared_secret(secrets.token_bytes(KEY_BYTES)))
        record = await registry.begin(_first_use(keyring, by_secret=True, by_day_since_ms=0))
    else:
        secret, record = given or await registry.stored_secret(), await registry.read()
        keyring = await asyncio.to_thread(_prepared, file, record, secret)
        # A process without a keyring may seal by the secret, and could not read what is sealed under a key of the day.
        by_day = embedded or not secret
        since_ms = record.now_ms if by_day else 0
        record = await registry.begin(_first_use(keyring, by_secret=bool(secret), by_day_since_ms=since_ms))
        if embedded and record.in_use and not record.in_use.by_day:
            await registry.change(record, msgspec.structs.replace(record.in_use, by_day_since_ms=record.now_ms))
            record = await registry.read()
    _refuse_faults(file, keyring, record)
    assert record.in_use is not None  # `begin` has written it
    if file and not record.in_use.by_day:
        log.info("texts are sealed by a lasting key until `matcher keys use days`", keyring=str(file.path))
    watch = KeyWatch(file, registry, ServiceKeys(keyring, record.in_use), embedded=embedded)
    await watch.check()
    if watch.fault:
        raise KeysMissing(watch.fault)
    return watch


def _prepared(file: KeyringFile, record: KeyRecord, secret: bytes | None) -> Keyring:
    """Return the keyring with what a start adds: the secret of before, the first keys, the keys of the day."""

    def prepare(keyring: Keyring) -> Keyring:
        if secret and (record.in_use is None or record.in_use.needs_secret()):
            for key in keys_of_secret(secret).keys:
                held = keyring.find(key.purpose, SECRET_ID)
                if held not in {None, key}:
                    raise KeyringWrong(str(file.path), f"its {key} is another than {PREFIX}SECRET or m:secret")
                if record.in_use is None or any(used.id == SECRET_ID for used in record.in_use.of(key.purpose)):
                    keyring = keyring.with_keys(key)
        missing = [purpose for purpose in (Purpose.REQUEST, Purpose.HANDLE) if not keyring.of(purpose)]
        if file.kept_by_operator:
            if record.in_use is None and missing:
                raise KeyringWrong(str(file.path), f"it holds no {missing[0]} key: `matcher keys add` makes one")
            return keyring
        if record.in_use is None:
            keyring = keyring.with_keys(*(new_key(purpose, record.now_ms) for purpose in missing))
        rolled = roll_days(keyring, record.now_ms)
        # Before the file is written: a lost keyring that is put back must find none in its place.
        _refuse_faults(file, rolled, record)
        return rolled

    return prepare(file.read()) if file.kept_by_operator else file.change(prepare)


def _first_use(keyring: Keyring, *, by_secret: bool, by_day_since_ms: int) -> KeysInUse:
    """Return what a store without a record begins with; by_secret: its records may have been made by the secret."""

    def first(purpose: Purpose) -> tuple[KeyInUse, ...]:
        wanted = [key for key in keyring.of(purpose) if by_secret == (key.id == SECRET_ID)]
        return tuple(KeyInUse.of(key) for key in wanted[-1:])

    return KeysInUse(
        request=first(Purpose.REQUEST),
        handle=first(Purpose.HANDLE),
        seal=first(Purpose.SEAL) if by_secret else (),
        by_day_since_ms=by_day_since_ms,
        request_since_ms=0,
        handle_since_ms=0,
    )


def _refuse_faults(file: KeyringFile | None, keyring: Keyring, record: KeyRecord) -> None:
    if faults := faults_of(keyring, record):
        where = f"the keyring {file.path}" if file else f"{PREFIX}SECRET or {PREFIX}SEAL_KEYS_FILE"
        raise KeysMissing(f"{'; '.join(faults)}: {where} must be the same for every process (docs/keys.md)")


def _without_lasting_seal_keys(keyring: Keyring) -> Keyring:
    return keyring.without(*(key for key in keyring.of(Purpose.SEAL) if key.id == SECRET_ID))
