"""What a reader gets: a document with every key documented, a page that needs nothing else, and the warnings."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from matcher.loadtest.extras import ExtraMissing, extra
from matcher.loadtest.histogram import Latencies
from matcher.loadtest.page import html
from matcher.loadtest.plan import Plan, PlanWrong, Ramp, Roster, Target
from matcher.loadtest.result import Result, summed_up
from matcher.loadtest.run import Run
from matcher.loadtest.service_metrics import ServiceSaid, Spread
from matcher.loadtest.tally import Ending, Outcome, Report, Tally

DOCUMENT = Path(__file__).parents[2] / "docs" / "load-testing.md"
SERVICE = ServiceSaid(
    held={"AFFINITY": 40},
    unmatched=10,
    codes={"OK": 50, "RESOURCE_EXHAUSTED": 30},
    batch_size=Spread(20, 2.5, 8.0),
    queue_seconds=Spread(50, 0.002, 0.005),
    index_lag_seconds=Spread(80, 0.001, None),
    candidates=None,
    store_round_trips={"reserve": 50},
    cpu_seconds=1.6,
    routes_by_process=[30, 20],
)


def report(second: int, *, cpu: float, late: float, told: bool = True) -> Report:
    """Return a second in which 20 were held, 5 found nobody and 15 were refused."""
    made = Tally()
    for ending, detail, code, count in (
        (Ending.HELD, "AFFINITY", "OK", 20),
        (Ending.UNMATCHED, "CAPACITY", "OK", 5),
        (Ending.REFUSED, "ENCODER_OVERLOADED", "RESOURCE_EXHAUSTED", 15),
    ):
        for number in range(count):
            made.offered += 1
            made.lag.record(late)
            outcome = Outcome(ending, detail, code, told_when=told and ending is Ending.REFUSED)
            made.record(outcome, 0.010 + 0.001 * number)
    made.completed = 20
    return made.report(0, second, 3, cpu_seconds=cpu, wall_seconds=1.0)


def result(*, cpu: float = 0.2, late: float = 0.001, told: bool = True, said: ServiceSaid | None = SERVICE) -> Result:
    """Return a run of two seconds."""
    reports = [report(second, cpu=cpu, late=late, told=told) for second in range(2)]
    total, lone = Tally(), Latencies()
    lone.record(0.004)
    for one in reports:
        total.add(one)
    plan = Plan(Ramp(30, 50, 2.0), Roster(100, 0.5, 5), processes=1)
    return summed_up(
        Run(
            plan=plan,
            target=Target("127.0.0.1:1"),
            began=0.0,
            distinct_texts=100,
            expected=80,
            lone=lone,
            total=total,
            reports=reports,
            service=said,
        )
    )


def keys(document: object, prefix: str = "") -> set[str]:
    """Return the names of a document's fields, those of objects within it with a dot."""
    if isinstance(document, list):
        return set().union(*(keys(one, prefix.removesuffix(".") + "[].") for one in document))
    if not isinstance(document, dict):
        return set()
    own = {prefix + name for name in document if re.fullmatch(r"[a-z_0-9]+", name)}
    return own.union(*(keys(value, f"{prefix}{name}.") for name, value in document.items() if prefix + name in own))


def test_every_key_of_the_document_is_documented() -> None:
    """docs/load-testing.md names each field, and no field that is not there."""
    document = json.loads(json.dumps(result().as_json()))
    written = set(re.findall(r"^\| `([^`]+)` \|", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE))
    within = re.compile(
        r"latency_ms\.\w+\.|generator\.lag_ms\.|service\.(\w+_seconds|batch_size|candidates|store_round_trips)\."
    )
    assert written == {name for name in keys(document) if not within.match(name)}


def test_the_document_counts_each_request_once() -> None:
    """80 offered: 40 held, 10 found nobody, 30 refused; 20 held a second."""
    document = result().as_json()
    assert (document["offered"], document["held"], document["unmatched"], document["refused"]) == (80, 40, 10, 30)
    assert document["held_per_second"] == 20
    assert document["same_story"] is True
    assert document["latency_ms"]["held"]["count"] == 40
    assert document["service"]["cpu_ms_per_route"] == 20
    assert [one["refused"] for one in document["seconds"]] == [15, 15]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (result(cpu=0.97), "the generator is the bottleneck: a process of it used 97% of a core"),
        (result(late=0.05), "one send in a hundred was 50.0 ms late or later although it was not busy"),
        (result(told=False), "30 of 30 RESOURCE_EXHAUSTED did not say when to try again"),
        (result(), "10 messages found nobody free"),
    ],
    ids=["busy", "late", "untold", "nobody"],
)
def test_what_a_reader_must_know_is_said(made: Result, words: str) -> None:
    """A busy or late generator, refusals that do not say when to return, a pool that ran out."""
    assert any(note.startswith(words) for note in made.notes), made.notes


def test_a_calm_generator_is_not_blamed() -> None:
    """At 20 % of a core and a millisecond late nothing is said of it."""
    assert not [note for note in result().notes if "generator" in note or "send" in note]


def test_a_difference_of_client_and_service_is_a_note() -> None:
    """The page and the document both say what differs."""
    made = result(said=ServiceSaid(**{name: getattr(SERVICE, name) for name in SERVICE.__slots__} | {"unmatched": 11}))
    assert "client and service disagree: unmatched: 10 here, 11 there" in made.notes
    assert made.as_json()["same_story"] is False
    assert '<span class="differs">differ</span>' in html(made)


class _Links(HTMLParser):
    """Collects what a page would load, and the ids it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        given = dict(attrs)
        self.loads += [given[name] or "" for name in ("src", "href", "xlink:href") if name in given]
        self.ids += [given["id"] or ""] if "id" in given else []


def test_the_page_needs_nothing_else() -> None:
    """Three plots within the page, no script, nothing to load, and no id twice."""
    page = html(result())
    links = _Links()
    links.feed(page)
    assert page.count("<svg") == 3
    assert "script" not in links.tags
    assert [one for one in links.loads if not one.startswith("#")] == []
    assert {one.removeprefix("#") for one in links.loads} <= set(links.ids)
    assert len(links.ids) == len(set(links.ids))


def test_a_run_without_metrics_has_no_story() -> None:
    """Against a service that was running already only the client's counts are there."""
    made = result(said=None)
    assert made.as_json()["same_story"] is None
    assert "counted by both" not in html(made)


def test_a_missing_library_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, and nothing was started."""
    monkeypatch.setitem(sys.modules, "hdrh", None)
    with pytest.raises(ExtraMissing, match=r"this needs hdrh: pip install 'affinity-matcher\[loadtest\]'"):
        extra("hdrh")


@pytest.mark.parametrize("text", ["50", "a:b", "5:", ":", "0:0", "-1:5", "1:999999"])
def test_a_ramp_that_cannot_be_is_refused(text: str) -> None:
    """Two rates above nothing and below the bound."""
    with pytest.raises(PlanWrong):
        Ramp.read(text, 10)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("localhost:1", True),
        ("127.8.9.1:1", True),
        ("[::1]:1", True),
        ("10.0.0.1:1", False),
        ("matcher.example:1", False),
        ("127.0.0.1.example:1", False),
        ("localhost.example:1", False),
    ],
)
def test_only_this_machine_counts_as_this_machine(address: str, loopback: bool) -> None:
    """A name that only looks like it is not."""
    assert Target(address).is_loopback is loopback
