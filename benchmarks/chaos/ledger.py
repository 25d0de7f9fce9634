"""The ledger as it is when all is over: read as any program reads the file of SQLite, without the service."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from benchmarks.chaos import history as h

FED_SECONDS: Final = 20.0
"""How long the ledger may take to have the last step; the service says about a second."""
_STEPS: Final = """
SELECT sites.site, steps.contact, steps.sequence, steps.state, steps.kind, steps.reservation, steps.agent
FROM steps JOIN sites ON sites.site_uid = steps.site_uid WHERE steps.sequence > 0 AND steps.kind <> 'UNMATCHED'
"""
_GAPS: Final = "SELECT sites.site, gaps.lost FROM gaps JOIN sites ON sites.site_uid = gaps.site_uid"


def read_ledger(file: Path, sites: Collection[str]) -> list[h.Entry | h.Gap]:
    """Read the steps of some sites, and the gaps that the ledger says it has."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as ledger:
        entries: list[h.Entry | h.Gap] = [
            h.Entry(
                site=site, contact=contact, sequence=sequence, state=state, kind=kind, reservation=reservation,
                agent=agent,
            )
            for site, contact, sequence, state, kind, reservation, agent in ledger.execute(_STEPS)
            if site in sites
        ]  # fmt: skip
        gaps = [h.Gap(site=site, entries=lost) for site, lost in ledger.execute(_GAPS) if site in sites]
    return [*entries, *gaps]


async def settled_ledger(file: Path, records: Sequence[h.Record], sites: Collection[str]) -> list[h.Entry | h.Gap]:
    """Read the ledger once it has every step that a watch was told; after 20 s as it is then."""
    end = time.monotonic() + FED_SECONDS
    while True:
        found = await asyncio.to_thread(read_ledger, file, sites)
        has = {(entry.site, entry.contact, entry.sequence) for entry in found if isinstance(entry, h.Entry)}
        told = {(step.site, step.contact, step.sequence) for step in records if isinstance(step, h.Step)}
        if told <= has or time.monotonic() > end:
            return found
        await asyncio.sleep(0.5)
