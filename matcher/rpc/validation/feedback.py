"""Validates the requests of FeedbackService, and returns their arguments as domain values."""

from __future__ import annotations

import math
import re
from typing import Final

from matcher.model.outcomes import AGENT_SOURCE, METRIC, Kind, Outcome, OutcomeWrite, Recommendation
from matcher.model.praise import Readers
from matcher.rpc.resource_names import Kind as Resource
from matcher.rpc.validation.violations import MISSING, YEAR, Violations
from matcher.v1 import feedback_pb2 as pb

MOST_OUTCOMES: Final = 500
"""Requests of one RecordOutcomes."""
MOST_METRICS: Final = 16
MOST_WORDS: Final = 1_000
"""Characters of praise."""
MOST_CSAT: Final = 5
MOST_NPS: Final = 10
PLACE_RULE: Final = 'letters, digits and "-_.:~@<>+,/", at most 128'
_PLACE: Final = re.compile(r"[A-Za-z0-9_.:~@<>+,/-]{0,128}").fullmatch
"""Never "|", ";" and "=", which separate what the store writes together."""
_RECOMMENDATIONS: Final = {
    pb.PROMOTED: Recommendation.PROMOTED,
    pb.WARNED: Recommendation.WARNED,
    pb.NEITHER: Recommendation.NEITHER,
}


def record(request: pb.RecordOutcomeRequest) -> tuple[str, OutcomeWrite]:
    """Check a RecordOutcomeRequest; return site and what is to be recorded; raise FieldsInvalid."""
    wrong = Violations()
    site, contact = wrong.resource("contact", request.contact, Resource.CONTACT)
    write = _write(wrong, request, contact)
    wrong.refuse()
    return site, write


def record_of(site: str, request: pb.RecordOutcomeRequest) -> OutcomeWrite:
    """Check one request of several; return what is to be recorded; raise FieldsInvalid."""
    wrong = Violations()
    contact = wrong.of_site("contact", request.contact, Resource.CONTACT, site)
    write = _write(wrong, request, contact)
    wrong.refuse()
    return write


def batch(request: pb.RecordOutcomesRequest) -> str:
    """Check what concerns all requests of a RecordOutcomesRequest; return the site; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    if not request.requests:
        wrong.note("requests", MISSING)
    wrong.first("requests", request.requests, MOST_OUTCOMES)
    wrong.refuse()
    return site


def outcomes(request: pb.GetOutcomesRequest) -> tuple[str, str, int | None]:
    """Check a GetOutcomesRequest; return site, contact, when its life began; raise FieldsInvalid."""
    wrong = Violations()
    site, contact = wrong.resource("contact", request.contact, Resource.CONTACT)
    born_ms = _born(wrong, request)
    wrong.refuse()
    return site, contact, born_ms


def praise(request: pb.ListPraiseRequest, listing: str) -> tuple[str, Readers, int, int | None]:
    """Check a ListPraiseRequest; return site, whose praise, page size, before which number; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    of = _readers(wrong, request, site)
    most, before = wrong.page(request.page_size, request.page_token, listing)
    wrong.refuse()
    return site, of, most, int(before) if before else None


def watch_praise(request: pb.WatchPraiseRequest, listing: str) -> tuple[str, Readers, int | None]:
    """Check a WatchPraiseRequest; return site, whose praise, after which number; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    of = _readers(wrong, request, site)
    number = None
    if request.resume_token:
        token = wrong.token("resume_token", request.resume_token, listing, "of this stream")
        if re.fullmatch(r"[0-9]{1,18}", token):
            number = int(token)
        elif token:
            wrong.note("resume_token", "is not a token of this stream")
    wrong.refuse()
    return site, of, number


def _write(wrong: Violations, request: pb.RecordOutcomeRequest, contact: str) -> OutcomeWrite:
    given = request.outcome
    source = wrong.identifier("outcome.source", given.source)
    if source == AGENT_SOURCE:
        wrong.note("outcome.source", 'is "agent", which CompleteReservation reports')
    observed_ms = None
    if given.HasField("observed_time"):
        observed_ms = wrong.time("outcome.observed_time", given.observed_time)
    found = _values(wrong, given)
    words = _praise(wrong, request, found)
    if not found and not given.metrics and not request.HasField("praise"):
        wrong.note("outcome", "says nothing: set a field beside the source, or praise")
    seen_ms = observed_ms
    if given.recommended.HasField("seen_time"):
        seen_ms = wrong.time("outcome.recommended.seen_time", given.recommended.seen_time)
    return OutcomeWrite(
        contact,
        _born(wrong, request),
        observed_ms,
        tuple(
            Outcome(
                source,
                kind,
                value,
                (seen_ms if kind == Kind.RECOMMENDED else observed_ms) or 0,
                place=given.recommended.place if kind == Kind.RECOMMENDED else "",
            )
            for kind, value in found.items()
        ),
        source,
        words,
    )


def _values(wrong: Violations, given: pb.Outcome) -> dict[str, float]:
    """Return the values of an outcome's fields by kind."""
    values: dict[str, float] = {}
    if given.HasField("resolved"):
        values[Kind.RESOLVED] = float(given.resolved)
    if given.HasField("csat"):
        values[Kind.CSAT] = float(wrong.between("outcome.csat", given.csat, 1, MOST_CSAT))
    if given.HasField("nps"):
        values[Kind.NPS] = float(wrong.between("outcome.nps", given.nps, 0, MOST_NPS))
    if given.HasField("recommended"):
        field, seen = "outcome.recommended", given.recommended
        wrong.known(f"{field}.recommendation", seen.recommendation, _RECOMMENDATIONS)
        values[Kind.RECOMMENDED] = float(_RECOMMENDATIONS.get(seen.recommendation, Recommendation.NEITHER))
        if not _PLACE(seen.place):
            wrong.note(f"{field}.place", f"has others than {PLACE_RULE}")
    if given.HasField("returned_within"):
        after_ms = wrong.milliseconds("outcome.returned_within", given.returned_within, 0, 10 * YEAR)
        values[Kind.RETURNED_WITHIN] = after_ms / 1_000
    if len(given.metrics) > MOST_METRICS:
        wrong.note("outcome.metrics", f"has {len(given.metrics)} entries; at most {MOST_METRICS} are allowed")
        return values
    for name, value in sorted(given.metrics.items()):
        wrong.identifier(f"outcome.metrics[{name[:64]}]", name)
        if not math.isfinite(value):
            wrong.note(f"outcome.metrics[{name[:64]}]", "is not a finite number")
        values[METRIC + name] = value
    return values


def _praise(wrong: Violations, request: pb.RecordOutcomeRequest, found: dict[str, float]) -> str:
    """Return the words of a request's praise; "" where there is none."""
    if not request.HasField("praise"):
        return ""
    words = request.praise.text.strip()
    if not words:
        wrong.note("praise.text", "is empty")
    wrong.at_most("praise.text", words, MOST_WORDS)
    if not request.praise.agreed:
        wrong.note("praise.agreed", "is not true: praise is passed on only where the customer agreed to that")
    criticism = [kind for kind, value in found.items() if Outcome("", kind, value, 0).is_criticism]
    if criticism:
        wrong.note("praise", f"comes with criticism ({', '.join(criticism)}), which is not passed on this way")
    return words


def _born(wrong: Violations, request: pb.RecordOutcomeRequest | pb.GetOutcomesRequest) -> int | None:
    if not request.HasField("contact_create_time"):
        return None
    return wrong.time("contact_create_time", request.contact_create_time)


def _readers(wrong: Violations, request: pb.ListPraiseRequest | pb.WatchPraiseRequest, site: str) -> Readers:
    if bool(request.agent) == bool(request.manager):
        wrong.note("agent", "and `manager` are both given" if request.agent else "is missing, and so is `manager`")
    agent = wrong.of_site("agent", request.agent, Resource.AGENT, site) if request.agent else ""
    manager = wrong.identifier("manager", request.manager) if request.manager else ""
    return Readers(agent, manager)
