"""The ledger of the settings: whether one is kept, answers, and has tables that this version reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from matcher.config import LEDGER_OFF, Settings
from matcher.errors import LedgerAway, LedgerNewer, SettingsWrong
from matcher.ledger.database import REVISIONS, LedgerDatabase
from matcher.server.doctor.findings import Finding, fail, ok, warn

ANSWER_SECONDS: Final = 12.0
"""A database that is asked waits for itself for 10 s."""


async def ledger(settings: Settings) -> AsyncIterator[Finding]:
    """Yield what is found of the ledger; write nothing, and make no file."""
    file = settings.ledger_file
    if not settings.ledger_place:
        yield ok("ledger", f"{LEDGER_OFF}: none is kept, so outcomes, reports and an audit trail for good are off")
        return
    if file is not None and not file.exists():
        yield ok("ledger", f"{file} is made at the first start")
        return
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            yield await asyncio.to_thread(_looked, settings.ledger_place)
    except TimeoutError:
        do = "let the database answer; steps wait in the store until then (docs/runbook.md, LedgerBehind)"
        yield warn("ledger", f"it did not answer within {ANSWER_SECONDS:g} s", do)


def _looked(place: str) -> Finding:
    try:
        database = LedgerDatabase.at(place)
    except SettingsWrong as fault:
        return fail("ledger", str(fault), "correct MATCHER_LEDGER_URL (docs/ledger.md)")
    try:
        database.check()
        found = database.revision()
    except LedgerNewer as fault:
        return warn("ledger", str(fault), "run the version that made its tables; steps wait in the store until then")
    except LedgerAway as fault:
        do = "let the database answer; steps wait in the store until then (docs/runbook.md, LedgerBehind)"
        return warn("ledger", f"{database.name}: {fault.why}", do)
    finally:
        database.close()
    older = "" if found == REVISIONS[-1] else f", {REVISIONS[-1]} after the next start"
    return ok("ledger", f"{database.name}, schema {found}{older}")
