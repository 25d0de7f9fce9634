"""matcher.v1.FeedbackService: each method validates its request, calls a service and converts the answer."""

# ruff: noqa: N802 - the methods have their names on the wire

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from matcher.errors import FieldsInvalid, MatcherError
from matcher.model.outcomes import ContactOutcomes, Outcome, OutcomeRecorded, OutcomeWrite, standing
from matcher.model.praise import Praise
from matcher.rpc.convert_coverage import coverage, coverage_request
from matcher.rpc.convert_impact import impact_report
from matcher.rpc.grpc_types import Context
from matcher.rpc.open_streams import OpenStreams
from matcher.rpc.page_bytes import fitting
from matcher.rpc.ports import Services
from matcher.rpc.resource_names import Kind, name
from matcher.rpc.status import status_of
from matcher.rpc.times import timestamp
from matcher.rpc.validation import feedback as check
from matcher.rpc.validation import impact as check_impact
from matcher.rpc.validation.violations import page_token
from matcher.v1 import coverage_pb2, feedback_pb2_grpc
from matcher.v1 import feedback_pb2 as pb
from matcher.v1.impact_pb2 import GetImpactReportRequest, ImpactReport

_PRAISE: Final = "praise"
_STREAM: Final = "praise stream"
"""What the tokens of the list and of the stream belong to."""


class FeedbackServicer(feedback_pb2_grpc.FeedbackServiceServicer):
    """Serves outcomes, praise, what the comparison shows, and what customers bring up."""

    def __init__(self, services: Services, streams: OpenStreams) -> None:
        self._feedback = services.feedback
        self._praise = services.praise
        self._impact = services.impact
        self._streams = streams
        self._coverage = services.coverage

    async def GetCoverage(
        self, request: coverage_pb2.GetCoverageRequest, _context: Context
    ) -> coverage_pb2.GetCoverageResponse:
        """Report what the customers of a pool bring up."""
        site, pool, days = coverage_request(request)
        return coverage(site, await self._coverage.coverage(site, pool, days))

    async def RecordOutcome(self, request: pb.RecordOutcomeRequest, _context: Context) -> pb.RecordOutcomeResponse:
        """Record outcomes of a contact, and praise."""
        site, write = check.record(request)
        return _recorded(site, await self._feedback.record_one(site, write, validate_only=request.validate_only))

    async def RecordOutcomes(self, request: pb.RecordOutcomesRequest, _context: Context) -> pb.RecordOutcomesResponse:
        """Record outcomes of several contacts; an error of one is that one's result."""
        site = check.batch(request)
        checked = [_checked(site, item) for item in request.requests]
        valid = [item for item in checked if isinstance(item, OutcomeWrite)]
        ends = iter(await self._feedback.record_many(site, valid, validate_only=request.validate_only) if valid else ())
        results = (next(ends) if isinstance(item, OutcomeWrite) else item for item in checked)
        return pb.RecordOutcomesResponse(results=(_result(site, result) for result in results))

    async def GetOutcomes(self, request: pb.GetOutcomesRequest, _context: Context) -> pb.ContactOutcomes:
        """Read the outcomes of a contact."""
        site, contact, born_ms = check.outcomes(request)
        return _outcomes(site, await self._feedback.outcomes(site, contact, born_ms))

    async def ListPraise(self, request: pb.ListPraiseRequest, _context: Context) -> pb.ListPraiseResponse:
        """List praise, the latest first."""
        site, of, most, before = check.praise(request, _PRAISE)
        found = await self._praise.page(site, of, most, before)
        listed, token = fitting(found.page, _PRAISE, lambda words: _words(site, words))
        return pb.ListPraiseResponse(praise=listed, next_page_token=token, resume_token=_resume(found.last))

    async def WatchPraise(
        self, request: pb.WatchPraiseRequest, _context: Context
    ) -> AsyncGenerator[pb.WatchPraiseResponse, None]:
        """Stream praise as it is recorded."""
        site, of, resume = check.watch_praise(request, _STREAM)
        with self._streams.of_site(site):
            async with aclosing(self._praise.watch(site, of, resume)) as stream:
                async for words, number in stream:
                    yield pb.WatchPraiseResponse(
                        praise=_words(site, words) if words else None, resume_token=_resume(number)
                    )

    async def GetImpactReport(self, request: GetImpactReportRequest, _context: Context) -> ImpactReport:
        """Report what the comparison shows."""
        site, asked = check_impact.report(request)
        return impact_report(site, await self._impact.report(site, asked), with_days=request.with_days)


def _checked(site: str, request: pb.RecordOutcomeRequest) -> OutcomeWrite | FieldsInvalid:
    try:
        return check.record_of(site, request)
    except FieldsInvalid as error:
        return error


def _result(site: str, end: OutcomeRecorded | MatcherError) -> pb.RecordOutcomesResult:
    if isinstance(end, MatcherError):
        return pb.RecordOutcomesResult(status=status_of(end))
    return pb.RecordOutcomesResult(response=_recorded(site, end))


def _recorded(site: str, end: OutcomeRecorded) -> pb.RecordOutcomeResponse:
    return pb.RecordOutcomeResponse(
        contact=name(Kind.CONTACT, site, end.life.contact),
        contact_create_time=timestamp(end.life.born_ms),
        recorded=end.recorded,
        unchanged=end.unchanged,
        praised_agent=name(Kind.AGENT, site, end.praised),
    )


def _outcomes(site: str, found: ContactOutcomes) -> pb.ContactOutcomes:
    return pb.ContactOutcomes(
        contact=name(Kind.CONTACT, site, found.life.contact),
        contact_create_time=timestamp(found.life.born_ms),
        standing=(_outcome(outcome) for _, outcome in sorted(standing(found.outcomes).items())),
        recorded=map(_outcome, found.outcomes),
    )


def _outcome(outcome: Outcome) -> pb.RecordedOutcome:
    return pb.RecordedOutcome(
        source=outcome.source,
        kind=outcome.kind,
        value=outcome.value,
        observed_time=timestamp(outcome.observed_ms),
        record_time=timestamp(outcome.recorded_ms),
        place=outcome.place,
    )


def _words(site: str, words: Praise) -> pb.Praise:
    return pb.Praise(
        agent=name(Kind.AGENT, site, words.agent),
        contact=name(Kind.CONTACT, site, words.contact),
        text=words.text,
        source=words.source,
        time=timestamp(words.at_ms),
        expire_time=timestamp(words.expires_ms),
    )


def _resume(number: int) -> str:
    return page_token(str(number), _STREAM)
