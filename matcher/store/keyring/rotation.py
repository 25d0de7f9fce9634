"""Rotation of keys: what the store's record becomes when another key is put into use, and when a key may go."""

from __future__ import annotations

from typing import Final

import msgspec

from matcher.store.keyring.faults import RotationRefused
from matcher.store.keyring.key_record import KeyInUse, KeysInUse
from matcher.store.keyring.secret_keys import SECRET_ID, Purpose, SecretKey, is_day

FOLLOW_MS: Final = 5_000
"""After this time every process works with the key that was put into use: each reads the record every two seconds."""


def with_days(in_use: KeysInUse, now_ms: int) -> KeysInUse:
    """Return the record by which new texts are sealed under keys of the day. Raises RotationRefused."""
    if in_use.by_day:
        raise RotationRefused("texts are sealed under keys of the day already")
    return msgspec.structs.replace(in_use, by_day_since_ms=now_ms)


def with_key(in_use: KeysInUse, key: SecretKey, now_ms: int) -> KeysInUse:
    """Return the record by which a key makes the new digests; the keys before it are still tried.

    Raises RotationRefused.
    """
    used = in_use.of(key.purpose)
    if KeyInUse.of(key) in used[-1:]:
        raise RotationRefused(f"the {key} makes the new digests already")
    match key.purpose:
        case Purpose.REQUEST:
            others = tuple(other for other in used if other.id != key.id)
            return msgspec.structs.replace(in_use, request=(*others, KeyInUse.of(key)), request_since_ms=now_ms)
        case Purpose.HANDLE:
            if any(other.id == key.id for other in used):
                raise RotationRefused(f"the {key} was in use before: a handle is stored by each key once")
            return msgspec.structs.replace(in_use, handle=(*used, KeyInUse.of(key)), handle_since_ms=now_ms)
        case Purpose.SEAL:
            raise RotationRefused("keys of the day are put into use by `days`, each on its day")


def without_key(in_use: KeysInUse, key: SecretKey, window_ms: int, now_ms: int) -> KeysInUse:
    """Return the record without a key that no record of the store needs any more. Raises RotationRefused.

    window_ms: how long a request is remembered.
    """
    used = in_use.of(key.purpose)
    if key.purpose is Purpose.SEAL and (is_day(key.id) or used):
        raise RotationRefused(f"the {key} goes by itself when the last wait that it can serve is over")
    if not any(other.id == key.id for other in used):
        return in_use
    if used[-1].id == key.id:
        raise RotationRefused(f"the {key} makes the new digests: put another one into use first")
    if key.purpose is Purpose.HANDLE:
        raise RotationRefused(f"the {key} is a step to the digests of the newest key and stays")
    if now_ms < (until := in_use.request_since_ms + window_ms + FOLLOW_MS):
        raise RotationRefused(
            f"requests that the {key} recognises are remembered for {(until - now_ms) // 1000} s more"
        )
    return msgspec.structs.replace(in_use, request=tuple(other for other in used if other.id != key.id))


def state_of(in_use: KeysInUse | None, key: SecretKey) -> str:
    """Return in words what a key is used for now."""
    if key.purpose is Purpose.SEAL and key.id != SECRET_ID:
        return "seals texts whose wait ends on that day"
    used = in_use.of(key.purpose) if in_use else ()
    if KeyInUse.of(key) not in used:
        return "not in use"
    if key.purpose is Purpose.SEAL:
        return "seals and opens texts" if in_use and not in_use.by_day else "opens earlier texts"
    return "makes the new digests" if used[-1].id == key.id else "recognises earlier digests"
