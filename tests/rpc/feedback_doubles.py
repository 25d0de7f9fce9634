"""Double of the services of outcomes and of praise."""

# ruff: noqa: D102 - matcher/rpc/ports.py describes the methods and their arguments

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from matcher.errors import MatcherError
from matcher.model import Page
from matcher.model.outcomes import ContactOutcomes, Life, Outcome, OutcomeRecorded, OutcomeWrite
from matcher.model.praise import Praise, PraisePage, Readers
from tests.rpc.double import NOW_MS, Double

LIFE = Life("c-1", NOW_MS)
RECORDED = OutcomeRecorded(LIFE, ("csat",), ("nps",), "maya")
WORDS = Praise("maya", "c-1", "She was kind.", "survey", 7, NOW_MS, NOW_MS + 9)
OUTCOMES = ContactOutcomes(
    LIFE,
    (
        Outcome("survey", "csat", 2.0, NOW_MS, NOW_MS + 1),
        Outcome("survey", "csat", 4.0, NOW_MS, NOW_MS + 2),
        Outcome("agent", "csat", 5.0, NOW_MS, NOW_MS + 3),
    ),
)


class FeedbackDouble(Double):
    """Answers as if one contact had outcomes, and one agent were praised."""

    async def record_one(self, site: str, write: OutcomeWrite, *, validate_only: bool) -> OutcomeRecorded:
        return self.record("record_one", RECORDED, site, write, validate_only)

    async def record_many(
        self, site: str, writes: Sequence[OutcomeWrite], *, validate_only: bool
    ) -> list[OutcomeRecorded | MatcherError]:
        return self.record("record_many", [RECORDED for _ in writes], site, tuple(writes), validate_only)

    async def outcomes(self, site: str, contact: str, born_ms: int | None) -> ContactOutcomes:
        return self.record("outcomes", OUTCOMES, site, contact, born_ms)

    async def page(self, site: str, of: Readers, most: int, before: int | None) -> PraisePage:
        return self.record("praise", PraisePage(Page((WORDS,), "7", ("7",)), 9), site, of, most, before)

    async def watch(
        self, site: str, of: Readers, resume: int | None
    ) -> AsyncGenerator[tuple[Praise | None, int], None]:
        yield self.record("watch_praise", (WORDS, 7), site, of, resume)
