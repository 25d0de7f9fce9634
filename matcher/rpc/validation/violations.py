"""Checks of single fields, which collect every violation of a request, so that a caller learns all at once."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from matcher.errors import FieldsInvalid, FieldViolation
from matcher.model import languages
from matcher.rpc import resource_names
from matcher.rpc.resource_names import Kind

T = TypeVar("T")

SECOND: Final = 1_000
HOUR: Final = 3_600 * SECOND
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
YEAR: Final = 365 * DAY

LATEST_SECONDS: Final = 253_402_300_799
"""The last second of the year 9999, which is the last that a Timestamp may have."""

DEFAULT_PAGE: Final = 50
MOST_PAGE: Final = 1_000
MOST_ETAG: Final = 128
MOST_TOKEN: Final = 1_024
"""Characters of a token: of what the service makes, the longest holds a time and a contact's id, 200 in base64."""
MOST_NEAREST: Final = 4
"""Wrong languages of a request that are answered with the nearest tag: each takes about 0.4 ms to find."""
MOST_PATHS: Final = 64
"""Paths of a mask: four times as many as any resource has fields."""
MOST_NOTED: Final = 32
"""Violations that an answer names; further ones are counted. An answer has room for about this number."""

MISSING: Final = "is missing"
_KEY_OF_ENTRY: Final = re.compile(r"-?[0-9]{1,16}\|[A-Za-z0-9_.:~@<>+=,/-]{1,128}").fullmatch
_KEYS: Final[Mapping[str, Callable[[str], object]]] = {
    "agents": resource_names.is_id,
    "pools": resource_names.is_id,
    "sites": resource_names.is_id,
    "contacts": _KEY_OF_ENTRY,
    "reservations": _KEY_OF_ENTRY,
    "customers": _KEY_OF_ENTRY,
    "praise": re.compile(r"[0-9]{1,18}").fullmatch,
}
"""By listing: whether a text can be the key that a page of it begins after. A token is no secret, so anybody can make
one, and what it holds is checked like any other field."""


class Violations:
    """Collects the violations of one request; every check returns a value, so that the validation goes on."""

    __slots__ = ("_more", "_unnamed", "_violations")

    def __init__(self) -> None:
        self._violations: list[FieldViolation] = []
        self._more = 0
        self._unnamed = 0

    def note(self, field: str, description: str) -> None:
        """Note a violation of a field; beyond MOST_NOTED it is only counted."""
        if len(self._violations) < MOST_NOTED:
            self._violations.append(FieldViolation(field, description))
        else:
            self._more += 1

    def refuse(self) -> None:
        """Raise FieldsInvalid with the violations and the count of the others, if there is any."""
        if self._violations:
            raise FieldsInvalid(self._violations, more=self._more)

    @property
    def noted(self) -> tuple[FieldViolation, ...]:
        """The violations that an answer names."""
        return tuple(self._violations)

    def add(self, others: Iterable[FieldViolation]) -> None:
        """Note violations that were found apart."""
        for other in others:
            self.note(other.field, other.description)

    def site(self, field: str, value: str) -> str:
        """Return the site of a site's resource name."""
        site = resource_names.parse_site(value)
        if site is None:
            self.note(field, 'is not of the form "sites/{site}"' if value else MISSING)
        return site or ""

    def resource(self, field: str, value: str, kind: Kind) -> tuple[str, str]:
        """Return the site and the id of a resource name."""
        parsed = resource_names.parse(value, kind)
        if parsed is None:
            self.note(field, resource_names.name_fault(value, kind) if value else MISSING)
        return parsed or ("", "")

    def of_site(self, field: str, value: str, kind: Kind, site: str) -> str:
        """Return the id of a resource name of `site` ("": the site's own name is wrong already)."""
        there, identifier = self.resource(field, value, kind)
        if identifier and site and there != site:
            self.note(field, f"is of another site than sites/{site}")
        return identifier

    def identifier(self, field: str, value: str) -> str:
        """Return the id of an agent, a pool, a site, a skill or a channel."""
        if not resource_names.is_id(value):
            self.note(field, resource_names.id_fault(value) if value else MISSING)
        return value

    def at_most(self, field: str, value: str, most: int) -> str:
        """Return a text of at most `most` characters."""
        if len(value) > most:
            self.note(field, f"has {len(value)} characters; at most {most} are allowed")
        return value

    def printable(self, field: str, value: str, most: int) -> str:
        """Return a text of at most `most` characters, all of them printable."""
        if len(self.at_most(field, value, most)) <= most and not value.isprintable():
            self.note(field, "has characters that are not printable")
        return value

    def between(self, field: str, value: int, least: int, most: int) -> int:
        """Return a number from `least` to `most`."""
        if not least <= value <= most:
            self.note(field, f"is {value}; it must be {least} to {most}")
        return value

    def share(self, field: str, value: float) -> float:
        """Return a number from 0 to 1."""
        if not (math.isfinite(value) and 0.0 <= value <= 1.0):
            self.note(field, "must be 0 to 1")
        return value

    def first(self, field: str, values: Sequence[T], most: int) -> Sequence[T]:
        """Return the entries of a list that has at most `most`; no entry beyond them is read."""
        if len(values) <= most:
            return values
        self.note(field, f"has {len(values)} entries; at most {most} are allowed")
        return values[:most]

    def language(self, field: str, value: str) -> str:
        """Return the BCP-47 tag of a language that is given by its tag or by its name."""
        tag = languages.tag_of(value)
        if several := languages.several(value):
            apart = f': give each an entry of its own, in a CSV cell "{"|".join(several)}"'
            self.note(field, f"names several languages{apart if field.endswith(']') else ', and takes one'}")
        elif not tag:
            self._unnamed += 1
            near = languages.nearest(value) if self._unnamed <= MOST_NEAREST else ""
            nearest = f'; the nearest is "{near}" ({languages.name_of(near)})' if near else ""
            self.note(field, f'is no language, by its BCP-47 tag ("en", "pt-BR") or by its name{nearest}')
        return tag

    def known(self, field: str, value: int, values: Iterable[int]) -> int:
        """Return a number of an enum; the unknown numbers of a newer caller are violations."""
        if value not in values:
            self.note(field, f"is {value}, which this service does not know")
        return value

    def milliseconds(self, field: str, value: Duration, least: int, most: int) -> int:
        """Return a duration in milliseconds, from `least` to `most` milliseconds."""
        ordered = abs(value.nanos) < 1_000_000_000 and value.seconds * value.nanos >= 0
        total = value.seconds * 1_000_000_000 + value.nanos
        if not (ordered and least * 1_000_000 <= total <= most * 1_000_000):
            self.note(field, f"must be {_span(least)} to {_span(most)}")
        return total // 1_000_000

    def time(self, field: str, value: Timestamp) -> int:
        """Return a time in milliseconds; 0 where it is wrong."""
        if not (0 < value.seconds <= LATEST_SECONDS and 0 <= value.nanos < 1_000_000_000):
            self.note(field, "is no time after 1970 and before the year 10000")
            return 0
        return value.seconds * 1_000 + value.nanos // 1_000_000

    def etag(self, field: str, value: str) -> str:
        """Return an etag; the services compare it as it is."""
        return self.at_most(field, value, MOST_ETAG)

    def unique(self, field: str, keys: Iterable[str]) -> None:
        """Check that no key of the list occurs twice."""
        numbers: dict[str, int] = {}
        for number, key in enumerate(keys):
            if key in numbers:
                self.note(f"{field}[{number}]", f"is the same as {field.rsplit('.', 1)[-1]}[{numbers[key]}]")
            else:
                numbers[key] = number

    def paths(self, field: str, mask: FieldMask, known: frozenset[str]) -> frozenset[str] | None:
        """Return the fields that a mask names; all for "*"; None for an empty mask, which means the set fields."""
        paths = list(self.first(f"{field}.paths", mask.paths, MOST_PATHS))
        if paths == ["*"]:
            return known
        for number, path in enumerate(paths):
            if path not in known:
                self.note(f"{field}.paths[{number}]", f"{path[:64]!a} is not one of {', '.join(sorted(known))}")
        return frozenset(paths) if paths else None

    def page(self, size: int, token: str, listing: str) -> tuple[int, str]:
        """Return the page size and the last key; a token of another list than `listing` is a violation."""
        if size < 0:
            self.note("page_size", "is negative")
        after = self.token("page_token", token, listing, "of this list") if token else ""
        if after and not _KEYS[listing](after):
            self.note("page_token", "is not a token of this list")
        return min(size or DEFAULT_PAGE, MOST_PAGE), after

    def token(self, field: str, token: str, listing: str, of_what: str) -> str:
        """Return the key that `page_token` made a token of."""
        key = _after(token, listing)
        if key is None:
            self.note(field, f"is not a token {of_what}")
        return key or ""


def resource(name: str, kind: Kind) -> tuple[str, str]:
    """Check the name of a request for one resource; return site and id; raise FieldsInvalid."""
    wrong = Violations()
    site, identifier = wrong.resource("name", name, kind)
    wrong.refuse()
    return site, identifier


def page_token(after: str, listing: str) -> str:
    """Return the opaque token of the page after a key; "" after the last page."""
    return base64.urlsafe_b64encode(f"{listing}/{after}".encode()).decode() if after else ""


def _after(token: str, listing: str) -> str | None:
    if len(token) > MOST_TOKEN:
        return None
    try:
        key = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return key.removeprefix(f"{listing}/") if key.startswith(f"{listing}/") else None


def _span(milliseconds: int) -> str:
    for unit, length in (("days", DAY), ("h", HOUR)):
        if milliseconds >= length and milliseconds % length == 0:
            count = milliseconds // length
            return f"{count} {unit.removesuffix('s') if count == 1 else unit}"
    return f"{milliseconds / SECOND:g} s"
