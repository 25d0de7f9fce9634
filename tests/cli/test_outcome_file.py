"""Files of outcomes: what people and surveys write is read, and what is wrong is named by its line and field."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from matcher.files.outcome_file import OutcomeFile, read_outcomes
from matcher.files.roster_file import Form
from matcher.v1 import feedback_pb2 as pb


def faults(file: OutcomeFile) -> dict[int, list[tuple[str, str]]]:
    """Return the violations of the bad rows by line."""
    return {row.line: [(wrong.field, wrong.description) for wrong in row.violations] for row in file.bad}


def test_a_csv_file_of_a_survey_is_read() -> None:
    """Names of columns in any case, empty cells say nothing, and columns of one's own are numbers."""
    file = read_outcomes(
        b"sep=;\n"
        b"Contact;Observed;Resolved;CSAT;NPS;Recommended;Seen;Place;Returned Within;Metrics Handle Minutes;Comment\n"
        b"c/1;2026-11-30;yes;5.0;;promoted;2026-12-01T10:00:00Z;forum.example.com;90.5;7.25;fine\n"
        b"c/2;;;;7;;;;;;\n",
        Form.CSV,
        "survey",
    )
    assert faults(file) == {}
    assert file.unread == {"comment": 3}
    first, second = (row.request for row in file.good)
    assert (first.contact, first.outcome.source, first.outcome.resolved, first.outcome.csat) == (
        "c/1",
        "survey",
        True,
        5,
    )
    assert first.outcome.observed_time.ToJsonString() == "2026-11-30T23:59:59Z"
    assert first.outcome.recommended == pb.Recommended(
        recommendation=pb.PROMOTED, seen_time=first.outcome.recommended.seen_time, place="forum.example.com"
    )
    assert first.outcome.recommended.seen_time.ToJsonString() == "2026-12-01T10:00:00Z"
    assert first.outcome.returned_within.ToTimedelta().total_seconds() == 90.5
    assert dict(first.outcome.metrics) == {"handle_minutes": 7.25}
    assert second == pb.RecordOutcomeRequest(contact="c/2", outcome=pb.Outcome(source="survey", nps=7))


def test_a_json_file_has_its_numbers_as_numbers_and_praise_with_the_agreement() -> None:
    """One object a line, or an array; `metrics` as an object, or one field each."""
    record = {
        "contact": "c-1",
        "source": "qa",
        "resolved": False,
        "metrics": {"minutes": 3},
        "metrics.tone": 0.5,
        "praise": "",
    }
    praised = {"contact": "c-2", "source": "qa", "praise": "She was kind.", "praise_agreed": True}
    lines = "\n".join(map(json.dumps, (record, praised))).encode()
    for data, form in ((lines, Form.JSONL), (json.dumps([record, praised]).encode(), Form.JSON)):
        first, second = (row.request for row in read_outcomes(data, form).good)
        assert (first.outcome.HasField("resolved"), first.outcome.resolved, first.HasField("praise")) == (
            True,
            False,
            False,
        )
        assert dict(first.outcome.metrics) == {"minutes": 3.0, "tone": 0.5}
        assert second.praise == pb.GivenPraise(text="She was kind.", agreed=True)


def test_what_is_wrong_is_named_by_line_and_field() -> None:
    """Every fault of a row at once; a contact may stand in a file once for each source."""
    file = read_outcomes(
        b"contact,source,resolved,csat,nps,recommended,returned_within,metrics_minutes,observed\n"
        b",survey,,5,,,,,\n"
        b"c-1,survey,maybe,4.5,ten,LIKED,-3,1e999,tomorrow\n"
        b"c-2,survey,,5,,,,,\n"
        b"c-2,crm,,5,,,,,\n"
        b"c-2,survey,,4,,,,,\n",
        Form.CSV,
    )
    assert [row.line for row in file.good] == [4, 5]
    assert faults(file) == {
        2: [("contact", "is missing")],
        3: [
            ("observed", "is 'tomorrow', no time such as 2026-11-30 or 2026-11-30T12:00:00Z"),
            ("metrics_minutes", "is not a finite number"),
            ("resolved", "is none of true, false, yes, no, 1, 0"),
            ("csat", "is 4.5, not a whole number"),
            ("nps", "is 'ten', not a number such as 7 or 7.5"),
            ("returned_within", "is no number of seconds from 0 to ten years"),
            ("recommended", "is none of PROMOTED, WARNED, NEITHER"),
        ],
        6: [("contact", "has the same source also on line 4")],
    }


def test_a_file_of_something_else_names_the_column_that_it_lacks() -> None:
    """A roster is no file of outcomes."""
    file = read_outcomes(b"id,interests\nbea,I sail.\n", Form.CSV)
    assert faults(file) == {1: [("contact", "is a column that is missing; the columns are id, interests")]}


def test_a_day_that_lasts_is_observed_now() -> None:
    """Its contacts may have begun a minute ago: at the beginning of the day nothing could be seen of them."""
    before = int(time.time())
    today = datetime.fromtimestamp(before, UTC).date()
    (row,) = read_outcomes(f"contact,source,csat,observed\nc-1,survey,4,{today}\n".encode(), Form.CSV).good
    end = int(datetime.combine(today, datetime.min.time(), UTC).timestamp()) + 86_399
    assert min(before, end) <= row.request.outcome.observed_time.seconds <= min(int(time.time()), end)


def test_a_day_to_come_stays_in_the_future() -> None:
    """The service refuses it."""
    (row,) = read_outcomes(b"contact,source,csat,observed\nc-1,survey,4,2999-01-01\n", Form.CSV).good
    assert row.request.outcome.observed_time.ToJsonString() == "2999-01-01T00:00:00Z"
