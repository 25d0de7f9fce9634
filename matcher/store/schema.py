"""The gate of the store's schema: which versions of the table of keys this program reads, and which one it writes.

A program that brings a new schema reads the old one and the new one, and writes the old one until no process needs it
(services/store_upgrade.py). Codecs and verbs whose records differ ask `StoreClient.schema.writes`.
"""

from __future__ import annotations

from typing import Final

from matcher.errors import StoreUnfit

OLDEST: Final = 1
"""The oldest schema that this program reads."""
NEWEST: Final = 3
"""The newest schema that this program reads; a new store begins with it."""
RETURNED_SINCE: Final = 3
"""The schema in which a contact that is nobody's is stored as RETURNED, before as QUEUED."""
ASSIGNED_SINCE: Final = 3
"""The schema in which an assignment by hand has a basis and a cause of its own; before, it is told as a transfer."""
TEXT_ALONE_SINCE: Final = 3
"""The schema in which what is sealed is the text alone, before the whole message with its requirements."""


class SchemaGate:
    """The schema that this process writes: that of the store, as this process read it last."""

    def __init__(self, address: str) -> None:
        """address: the store's, for the error."""
        self.writes = OLDEST
        self._address = address

    def set(self, stored: bytes | None) -> None:
        """Write the schema that the store holds from now on; None: the store is new, or has lost its data.

        Raises StoreUnfit where this program does not read that schema.
        """
        self.writes = NEWEST if stored is None else check_schema(self._address, stored)


def check_schema(where: str, stored: bytes) -> int:
    """Return the schema of data as a number. Raises StoreUnfit, which names `where`, unless this program reads it."""
    try:
        schema = int(stored)
    except ValueError:
        raise StoreUnfit(where, f"m:schema holds {stored[:20]!r}, which is no version of the schema") from None
    reads = f"its data has schema {schema}, and this version reads {OLDEST} to {NEWEST}"
    if schema > NEWEST:
        raise StoreUnfit(where, f"{reads}: start the later version, or restore a backup made before the upgrade")
    if schema < OLDEST:
        raise StoreUnfit(where, f"{reads}: start an earlier version first, which upgrades it")
    return schema
