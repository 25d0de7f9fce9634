"""Keys of a token issuer: a JWK set from a file or a URL, read off the event loop and kept current."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from matcher.auth.token_issuer import FAMILIES, is_url

FETCH_SECONDS: Final = 5.0
"""How long the issuer may take to answer."""
REFRESH_SECONDS: Final = 300.0
"""How often a URL is read again."""
LOOK_SECONDS: Final = 2.0
"""How often a file is looked at."""
BACK_OFF_SECONDS: Final = 10.0
"""The least time between two readings for keys that are not known: a caller can make up any number of them."""
LARGEST: Final = 1_048_576
"""Bytes of a JWK set that are read."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key of the issuer, and the algorithms that it may be used with."""

    key: Any
    algorithms: tuple[str, ...]


class JwkSet:
    """Knows the issuer's keys by their ids."""

    def __init__(self, place: str, algorithms: frozenset[str], clock: Callable[[], float] = time.monotonic) -> None:
        """place: a URL or the path of a file. algorithms: those that the service accepts."""
        self.version = 0
        """Grows with every change of the keys."""
        self._place = place
        self._algorithms = algorithms
        self._clock = clock
        self._keys: dict[str, IssuerKey] = {}
        self._document = b""
        self._tried_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    @property
    def is_url(self) -> bool:
        """Return whether the keys come from the network."""
        return is_url(self._place)

    def knows(self, kid: str) -> bool:
        """Return whether a key is among the issuer's."""
        return kid in self._keys

    async def key(self, kid: str) -> IssuerKey | None:
        """Return a key; a key that is not known is looked for once in BACK_OFF_SECONDS, for all callers."""
        if kid not in self._keys and self._is_due(BACK_OFF_SECONDS):
            async with self._one_at_a_time:
                if kid not in self._keys and self._is_due(BACK_OFF_SECONDS):
                    await self.try_to_read()
        return self._keys.get(kid)

    async def run(self) -> None:
        """Read the keys again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            every = REFRESH_SECONDS if self.is_url and self._keys else BACK_OFF_SECONDS if self.is_url else LOOK_SECONDS
            if self._is_due(every):
                async with self._one_at_a_time:
                    await self.try_to_read()

    async def try_to_read(self) -> None:
        """Read the keys; where that fails the former ones go on counting, and the log says why."""
        try:
            await self.read()
        except (OSError, ValueError) as fault:
            _log.warning("the keys of the token issuer cannot be read", place=self._place, why=str(fault)[:200])

    async def read(self) -> None:
        """Read the keys. Raises OSError, or ValueError where they are no JWK set."""
        self._tried_at = self._clock()
        document = await asyncio.to_thread(_fetched if self.is_url else _content, self._place)
        if document == self._document:
            return
        self._keys = _keys_of(document, self._algorithms)
        self._document = document
        self.version += 1
        _log.info("keys of the token issuer read", keys=sorted(self._keys))

    def _is_due(self, seconds: float) -> bool:
        return self._clock() - self._tried_at >= seconds


def _fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - the settings take http(s) only
        return _limited(answer.read(LARGEST + 1))


def _content(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return _limited(file.read(LARGEST + 1))


def _limited(document: bytes) -> bytes:
    if len(document) > LARGEST:
        raise ValueError(f"it has more than {LARGEST} bytes")
    return document


def _keys_of(document: bytes, algorithms: frozenset[str]) -> dict[str, IssuerKey]:
    """Return the keys that verify signatures by these algorithms. Raises ValueError."""
    try:
        listed = json.loads(document)["keys"]
    except (KeyError, TypeError, ValueError):
        raise ValueError("it is no JWK set") from None
    keys = dict[str, IssuerKey]()
    for entry in listed if isinstance(listed, list) else []:
        usable = _usable(entry, algorithms)
        if usable is not None:
            keys[entry["kid"]] = usable
    if not keys:
        raise ValueError(f"no key in it has a `kid` and is for {', '.join(sorted(algorithms))}")
    return keys


def _usable(entry: Any, algorithms: frozenset[str]) -> IssuerKey | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
        return None
    kind, named = entry.get("kty"), entry.get("alg")
    fitting = tuple(name for name in sorted(algorithms) if FAMILIES[name[:2]] == kind and named in {None, name})
    if not fitting:
        return None
    try:
        return IssuerKey(PyJWK(entry, algorithm=fitting[0]).key, fitting)
    except PyJWTError:
        return None
