"""Places of open streams, in the process and of each site, and of lists that are made at once.

A stream costs memory for as long as its caller likes: 30 KiB for one that is silent (measured with
grpcio 1.85).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from matcher.errors import TooManyStreams

MOST_STREAMS: Final = 10_000
"""Open streams of a process: 300 MB."""
MOST_OF_SITE: Final = 5_000
"""Open streams of a site in a process: a desk for each of 5,000 agents, and half of the process for other sites."""
MOST_CONCURRENT: Final = 16_384
"""Calls that gRPC lets one connection have open, so that it cannot open calls without end. Above the bound of the
streams: a caller with too many learns the reason from the service, and does not wait for gRPC without being told."""
MOST_IMPORTS: Final = 16
"""Imports of a process at once: each reads up to 16 MiB ahead and remembers up to a million ids."""
MOST_IMPORTS_OF_SITE: Final = 4
LISTS_AT_ONCE: Final = 8
"""Lists that are made at once; others wait. A page of contacts with all their exclusions is read as 40 MB."""


class Places:
    """Counts what is open, in the process and of each site, and refuses what is beyond the bounds."""

    def __init__(self, most: int, most_of_site: int) -> None:
        self._most = most
        self._most_of_site = most_of_site
        self._open = 0
        self._of_site: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """Return how many streams are open."""
        return self._open

    @contextmanager
    def of_process(self) -> Iterator[None]:
        """Take a place for a stream during the block. Raises TooManyStreams."""
        if self._open >= self._most:
            raise TooManyStreams("process", self._most)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    @contextmanager
    def of_site(self, site: str) -> Iterator[None]:
        """Take a place among the streams of a site during the block. Raises TooManyStreams."""
        if self._of_site[site] >= self._most_of_site:
            raise TooManyStreams("site", self._most_of_site)
        self._of_site[site] += 1
        try:
            yield
        finally:
            self._of_site[site] -= 1
            if not self._of_site[site]:
                del self._of_site[site]


class OpenStreams(Places):
    """The places of all streams, among them the imports, which have fewer, and the places of lists."""

    def __init__(self, most: int = MOST_STREAMS, most_of_site: int = MOST_OF_SITE) -> None:
        super().__init__(most, most_of_site)
        self.imports = Places(MOST_IMPORTS, MOST_IMPORTS_OF_SITE)
        self.lists = asyncio.Semaphore(LISTS_AT_ONCE)
