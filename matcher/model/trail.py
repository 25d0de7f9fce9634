"""Records of the audit trail: each is chained to the one before it by a MAC, and shows values by their digests only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

SALT_BYTES: Final = 16
_DIGITS: Final = 32
"""Hex digits of a digest: 128 bits."""

Clear: TypeAlias = Mapping[str, tuple[str, str]]
"""What a record's digests stand for: name, peer or field → the salt and the value. Forgotten values are missing."""

KeyById: TypeAlias = Callable[[str], bytes | None]
"""Returns the key of the chain by its id; None: this machine does not have it."""


class TrailRecord(msgspec.Struct, frozen=True):
    """One record of the chain.

    number: from 1. at_ms: when it was changed, by the store's clock. source: the life of a site, or the access keys.
    entry: the number in the source. lost: entries before it that the source lost before they could be chained.
    digests: of the name, the peer, and as "field.<name>" of each changed field.
    """

    number: int
    at_ms: int
    site: str
    source: str
    entry: int
    lost: int
    method: str
    principal: str
    request: str
    digests: Mapping[str, str]

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of the fields that changed."""
        return tuple(key.removeprefix("field.") for key in self.digests if key.startswith("field."))


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain. number 0: there is no record."""

    number: int = 0
    mac: str = ""

    def __str__(self) -> str:
        return f"{self.number}:{self.mac}"


@dataclass(frozen=True, slots=True)
class Chained:
    """A record as it is stored: its MAC, the id of the key, and the bytes that the MAC covers; and its values."""

    number: int
    mac: str
    key_id: str
    body: bytes
    clear: Clear

    @property
    def text(self) -> bytes:
        """Return the record as the store and the ledger keep it."""
        return f"{self.mac}|{self.key_id}|".encode() + self.body

    @classmethod
    def of(cls, number: int, text: bytes, clear: Clear) -> Chained:
        """Return a record as it was stored. Raises nothing: what is malformed has a MAC that does not fit."""
        mac, _, rest = text.partition(b"|")
        key_id, _, body = rest.partition(b"|")
        return cls(number, mac.decode(errors="replace"), key_id.decode(errors="replace"), body, clear)

    def record(self) -> TrailRecord | None:
        """Return what the record says; None where it says nothing that this version reads."""
        try:
            return msgspec.json.decode(self.body, type=TrailRecord)
        except msgspec.MsgspecError:
            return None


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that is wrong with the trail, and at which record."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the trail found. forgotten: records with values that are gone. lost: entries never chained."""

    first: int
    head: Head
    records: int
    forgotten: int
    lost: int
    flaws: tuple[Flaw, ...]


def salted(values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Return the digests of values, and beside them each value with the salt that its digest was made with."""
    clear = {key: (secrets.token_hex(SALT_BYTES), value) for key, value in values.items()}
    return {key: _digest(*value) for key, value in clear.items()}, clear


def without(clear: Clear, named: Callable[[str], bool]) -> Clear:
    """Return values without those of a person: all of a record of the person, else those that name the person.

    named: tells whether a string names the person.
    """
    own = clear.get("name")
    if own is not None and named(own[1]):
        return {}
    return {key: value for key, value in clear.items() if not _names(value[1], named)}


def names_and_ids(names: Iterable[str]) -> frozenset[str]:
    """Return by what strings persons are named, of their resource names: these, and the ids alone."""
    told = frozenset(names)
    return told | {name.rpartition("/")[2] for name in told}


def _names(value: str, named: Callable[[str], bool]) -> bool:
    if named(value):
        return True
    try:
        return _holds(msgspec.json.decode(value), named)
    except msgspec.MsgspecError:
        return False


def _holds(value: object, named: Callable[[str], bool]) -> bool:
    match value:
        case str():
            return named(value)
        case dict():
            return any(_holds(one, named) for pair in value.items() for one in pair)
        case list():
            return any(_holds(one, named) for one in value)
        case _:
            return False


def chain(before: Head, record: TrailRecord, clear: Clear, key_id: str, key: bytes) -> Chained:
    """Return a record chained to the one before it."""
    body = msgspec.json.encode(record)
    return Chained(record.number, _mac(key, before.mac, body), key_id, body, clear)


class Check:
    """A check of a chain, slice by slice, and that it reaches each of the heads that are known of it.

    Finds a changed record, one that is missing, moved or added, a tail that was cut, and a value that is not the one
    that was chained. The first record's MAC is taken as given where records before it were removed by age.
    """

    def __init__(self, keys: KeyById, *expected: Head) -> None:
        self._keys = keys
        self._expected = expected
        self._macs = dict[int, str]()
        self._flaws, self._first, self._head = list[Flaw](), 0, Head()
        self._count = self._forgotten = self._lost = 0

    def add(self, records: Iterable[Chained]) -> None:
        """Check the next records."""
        wanted = {one.number for one in self._expected}
        for chained in records:
            self._flaws += _flaws(self._head, chained, self._keys)
            record = chained.record()
            if record is not None:
                self._lost += record.lost
                self._forgotten += any(key not in chained.clear for key in record.digests)
            self._first, self._head = self._first or chained.number, Head(chained.number, chained.mac)
            self._count += 1
            if chained.number in wanted:
                self._macs[chained.number] = chained.mac

    def verdict(self) -> Verdict:
        """Return what was found, when all records were added."""
        flaws, head = list(self._flaws), self._head
        for one in self._expected:
            if one.number > head.number:
                flaws.append(
                    Flaw(head.number + 1, f"records {head.number + 1} to {one.number} are missing: the tail was cut")
                )
            elif one.number in self._macs and self._macs[one.number] != one.mac:
                flaws.append(Flaw(one.number, "its MAC is another than that of the head that was noted"))
        return Verdict(self._first, head, self._count, self._forgotten, self._lost, tuple(flaws))


def verify(records: Iterable[Chained], keys: KeyById, *expected: Head) -> Verdict:
    """Check a whole chain."""
    check = Check(keys, *expected)
    check.add(records)
    return check.verdict()


def _flaws(before: Head, chained: Chained, keys: KeyById) -> Iterable[Flaw]:
    number, record = chained.number, chained.record()
    expected = before.number + 1
    if before.number and number != expected:
        if number > expected:
            yield Flaw(expected, f"records {expected} to {number - 1} are missing")
        else:
            yield Flaw(number, f"it stands after record {before.number}: records were moved or repeated")
        return
    key = keys(chained.key_id)
    if key is None:
        yield Flaw(number, f"the key {chained.key_id} of its MAC is not in the keyring")
    elif (before.number or number == 1) and not hmac.compare_digest(_mac(key, before.mac, chained.body), chained.mac):
        yield Flaw(number, "it was changed, or the record before it was")
    elif record is None or record.number != number:
        yield Flaw(number, "it stands in the place of another record")
    if record is not None:
        for name, value in chained.clear.items():
            if record.digests.get(name) != _digest(*value):
                yield Flaw(number, f"its value of {name} is not the one that was chained")


def _mac(key: bytes, before: str, body: bytes) -> str:
    return hmac.digest(key, before.encode() + b"|" + body, "sha256").hex()


def _digest(salt: str, value: str) -> str:
    return hashlib.sha256(f"{salt}|{value}".encode()).hexdigest()[:_DIGITS]
