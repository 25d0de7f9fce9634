"""Requests of FeedbackService: valid ones with the call that each becomes, invalid ones with their wrong fields."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from matcher.model.outcomes import Outcome, OutcomeWrite
from matcher.model.praise import Readers
from matcher.rpc.validation.violations import page_token
from matcher.v1 import feedback_pb2 as pb
from tests.rpc.double import NOW_MS

SITE = "sites/default"
CONTACT = "sites/default/contacts/c-1"
MAYA = "sites/default/agents/maya"
NOW = Timestamp(seconds=NOW_MS // 1000, nanos=NOW_MS % 1000 * 1_000_000)
THEN = Timestamp(seconds=NOW_MS // 1000 - 60)
THEN_MS = THEN.seconds * 1000

EVERYTHING = pb.RecordOutcomeRequest(
    contact=CONTACT,
    contact_create_time=NOW,
    outcome=pb.Outcome(
        source="survey",
        observed_time=NOW,
        resolved=True,
        csat=5,
        nps=9,
        recommended=pb.Recommended(recommendation=pb.PROMOTED, seen_time=THEN, place="forum.example.com/t/17"),
        returned_within=Duration(seconds=90),
        metrics={"minutes": 7.5},
    ),
    praise=pb.GivenPraise(text=" She was kind. ", agreed=True),
)
WRITTEN = OutcomeWrite(
    "c-1",
    NOW_MS,
    NOW_MS,
    (
        Outcome("survey", "resolved", 1.0, NOW_MS),
        Outcome("survey", "csat", 5.0, NOW_MS),
        Outcome("survey", "nps", 9.0, NOW_MS),
        Outcome("survey", "recommended", 1.0, THEN_MS, place="forum.example.com/t/17"),
        Outcome("survey", "returned_within", 90.0, NOW_MS),
        Outcome("survey", "metrics.minutes", 7.5, NOW_MS),
    ),
    "survey",
    "She was kind.",
)
SMALL = pb.RecordOutcomeRequest(contact=CONTACT, outcome=pb.Outcome(source="qa", resolved=False))
SMALL_WRITTEN = OutcomeWrite("c-1", None, None, (Outcome("qa", "resolved", 0.0, 0),), "qa")

FEEDBACK_CALLS: dict[str, tuple[Any, tuple[str, tuple[Any, ...]]]] = {
    "record every outcome": (EVERYTHING, ("record_one", ("default", WRITTEN, False))),
    "check an outcome": (
        pb.RecordOutcomeRequest(contact=CONTACT, outcome=SMALL.outcome, validate_only=True),
        ("record_one", ("default", SMALL_WRITTEN, True)),
    ),
    "record praise alone": (
        pb.RecordOutcomeRequest(
            contact=CONTACT, outcome=pb.Outcome(source="qa"), praise=pb.GivenPraise(text="Kind.", agreed=True)
        ),
        ("record_one", ("default", OutcomeWrite("c-1", None, None, (), "qa", "Kind."), False)),
    ),
    "record several": (
        pb.RecordOutcomesRequest(parent=SITE, requests=[SMALL, pb.RecordOutcomeRequest(), EVERYTHING]),
        ("record_many", ("default", (SMALL_WRITTEN, WRITTEN), False)),
    ),
    "read outcomes": (
        pb.GetOutcomesRequest(contact=CONTACT, contact_create_time=NOW),
        ("outcomes", ("default", "c-1", NOW_MS)),
    ),
    "list an agent's praise": (
        pb.ListPraiseRequest(parent=SITE, agent=MAYA),
        ("praise", ("default", Readers(agent="maya"), 50, None)),
    ),
    "list the praise of a manager's agents": (
        pb.ListPraiseRequest(parent=SITE, manager="dana", page_size=2, page_token=page_token("17", "praise")),
        ("praise", ("default", Readers(manager="dana"), 2, 17)),
    ),
    "watch praise": (
        pb.WatchPraiseRequest(parent=SITE, agent=MAYA),
        ("watch_praise", ("default", Readers(agent="maya"), None)),
    ),
    "resume watching praise": (
        pb.WatchPraiseRequest(parent=SITE, manager="dana", resume_token=page_token("17", "praise stream")),
        ("watch_praise", ("default", Readers(manager="dana"), 17)),
    ),
}

FEEDBACK_CASES: dict[str, tuple[Any, set[str]]] = {
    "an outcome of nothing": (pb.RecordOutcomeRequest(), {"contact", "outcome.source", "outcome"}),
    "everything wrong in an outcome": (
        pb.RecordOutcomeRequest(
            contact=MAYA,
            contact_create_time=Timestamp(),
            outcome=pb.Outcome(
                source="agent",
                observed_time=Timestamp(seconds=-1),
                csat=0,
                nps=11,
                recommended=pb.Recommended(seen_time=Timestamp(), place="a;b"),
                returned_within=Duration(seconds=-1),
                metrics={"Minutes": 1.0, "nan": float("nan")},
            ),
            praise=pb.GivenPraise(text="x" * 1_001),
        ),
        {
            "contact",
            "contact_create_time",
            "outcome.source",
            "outcome.observed_time",
            "outcome.csat",
            "outcome.nps",
            "outcome.recommended.recommendation",
            "outcome.recommended.seen_time",
            "outcome.recommended.place",
            "outcome.returned_within",
            "outcome.metrics[Minutes]",
            "outcome.metrics[nan]",
            "praise.text",
            "praise.agreed",
            "praise",
        },
    ),
    "more metrics than are allowed": (
        pb.RecordOutcomeRequest(
            contact=CONTACT, outcome=pb.Outcome(source="qa", metrics={f"m{number}": 1.0 for number in range(17)})
        ),
        {"outcome.metrics"},
    ),
    "no outcomes": (pb.RecordOutcomesRequest(parent="default"), {"parent", "requests"}),
    "too many outcomes": (pb.RecordOutcomesRequest(parent=SITE, requests=[SMALL] * 501), {"requests"}),
    "outcomes of nobody": (pb.GetOutcomesRequest(contact="c-1"), {"contact"}),
    "praise of nobody": (pb.ListPraiseRequest(parent=SITE, page_token="7"), {"agent", "page_token"}),
    "praise of two": (pb.ListPraiseRequest(parent=SITE, agent=MAYA, manager="Dana"), {"agent", "manager"}),
    "praise from no token": (
        pb.WatchPraiseRequest(parent=SITE, agent="sites/other/agents/maya", resume_token=page_token("7", "praise")),
        {"agent", "resume_token"},
    ),
    "praise from no number": (
        pb.WatchPraiseRequest(parent=SITE, manager="dana", resume_token=page_token("-7", "praise stream")),
        {"resume_token"},
    ),
}
