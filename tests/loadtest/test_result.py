"""The result of a load test: a documented JSON document, a page that loads nothing, and the warnings."""

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
from matcher.loadtest.result import Result, sum_up
from matcher.loadtest.run import Run
from matcher.loadtest.service_metrics import ServiceFigures, Spread
from matcher.loadtest.tally import Ending, Outcome, Report, Tally

DOCUMENT = Path(__file__).parents[2] / "docs" / "load-testing.md"
SERVICE = ServiceFigures(
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


def report(second: int, *, cpu: float, late: float, with_retry_info: bool = True) -> Report:
    """Return a second in which 20 requests were held, 5 were unmatched and 15 were refused."""
    tally = Tally()
    for ending, detail, code, count in (
        (Ending.HELD, "AFFINITY", "OK", 20),
        (Ending.UNMATCHED, "CAPACITY", "OK", 5),
        (Ending.REFUSED, "ENCODER_OVERLOADED", "RESOURCE_EXHAUSTED", 15),
    ):
        for number in range(count):
            tally.offered += 1
            tally.lag.record(late)
            outcome = Outcome(ending, detail, code, with_retry_info=with_retry_info and ending is Ending.REFUSED)
            tally.record(outcome, 0.010 + 0.001 * number)
    tally.completed = 20
    return tally.report(0, second, 3, cpu_seconds=cpu, wall_seconds=1.0)


def result(
    *,
    cpu: float = 0.2,
    late: float = 0.001,
    with_retry_info: bool = True,
    service: ServiceFigures | None = SERVICE,
) -> Result:
    """Return the result of a run of two seconds."""
    reports = [report(second, cpu=cpu, late=late, with_retry_info=with_retry_info) for second in range(2)]
    total, lone = Tally(), Latencies()
    lone.record(0.004)
    for second in reports:
        total.add(second)
    plan = Plan(Ramp(30, 50, 2.0), Roster(100, 0.5, 5), processes=1)
    return sum_up(
        Run(
            plan=plan,
            target=Target("127.0.0.1:1"),
            began=0.0,
            distinct_texts=100,
            expected=80,
            lone=lone,
            total=total,
            reports=reports,
            service=service,
        )
    )


def keys(document: object, prefix: str = "") -> set[str]:
    """Return the names of a document's fields; a field of a nested object has a dot."""
    if isinstance(document, list):
        return set().union(*(keys(item, prefix.removesuffix(".") + "[].") for item in document))
    if not isinstance(document, dict):
        return set()
    own = {prefix + name for name in document if re.fullmatch(r"[a-z_0-9]+", name)}
    return own.union(*(keys(value, f"{prefix}{name}.") for name, value in document.items() if prefix + name in own))


def test_every_key_of_the_document_is_documented() -> None:
    """docs/load-testing.md names exactly the fields of the document."""
    document = json.loads(json.dumps(result().as_json()))
    written = set(re.findall(r"^\| `([^`]+)` \|", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE))
    within = re.compile(
        r"latency_ms\.\w+\.|generator\.lag_ms\.|service\.(\w+_seconds|batch_size|candidates|store_round_trips)\."
    )
    assert written == {name for name in keys(document) if not within.match(name)}


def test_the_document_counts_each_request_once() -> None:
    """Of 80 requests 40 were held, 10 unmatched and 30 refused; 20 were held a second."""
    document = result().as_json()
    assert (document["offered"], document["held"], document["unmatched"], document["refused"]) == (80, 40, 10, 30)
    assert document["held_per_second"] == 20
    assert document["same_story"] is True
    assert document["latency_ms"]["held"]["count"] == 40
    assert document["service"]["cpu_ms_per_route"] == 20
    assert [second["refused"] for second in document["seconds"]] == [15, 15]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (result(cpu=0.97), "the generator is the bottleneck: one of its processes used 97% of a core"),
        (result(late=0.05), "one request in a hundred was sent 50.0 ms late or later although it was not busy"),
        (result(with_retry_info=False), "30 of 30 RESOURCE_EXHAUSTED errors did not say when to try again"),
        (result(), "10 messages found no free agent"),
    ],
    ids=["busy", "late", "without retry info", "no free agent"],
)
def test_the_reader_is_warned(made: Result, words: str) -> None:
    """The notes warn of a busy or late generator, of errors without RetryInfo, and of too few agents."""
    assert any(note.startswith(words) for note in made.notes), made.notes


def test_a_calm_generator_is_not_blamed() -> None:
    """At 20 % of a core and a delay of a millisecond no note mentions the generator."""
    assert not [note for note in result().notes if "generator" in note or "send" in note]


def test_a_difference_of_client_and_service_is_a_note() -> None:
    """The page and the document both show the difference."""
    made = result(
        service=ServiceFigures(**{name: getattr(SERVICE, name) for name in SERVICE.__slots__} | {"unmatched": 11})
    )
    assert "client and service disagree on unmatched: the client counted 10, the service 11" in made.notes
    assert made.as_json()["same_story"] is False
    assert '<span class="differs">differ</span>' in html(made)


class _Links(HTMLParser):
    """Collects the links and the ids of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the links and the id of a tag."""
        self.tags.add(tag)
        attributes = dict(attrs)
        self.loads += [attributes[name] or "" for name in ("src", "href", "xlink:href") if name in attributes]
        self.ids += [attributes["id"] or ""] if "id" in attributes else []


def test_the_page_loads_nothing() -> None:
    """The page holds three plots, no script, no link to another file, and no id twice."""
    page = html(result())
    links = _Links()
    links.feed(page)
    assert page.count("<svg") == 3
    assert "script" not in links.tags
    assert [link for link in links.loads if not link.startswith("#")] == []
    assert {link.removeprefix("#") for link in links.loads} <= set(links.ids)
    assert len(links.ids) == len(set(links.ids))


def test_a_run_without_metrics_has_no_story() -> None:
    """The metrics of a service that the test did not start are not read, so only the client's counts are known."""
    made = result(service=None)
    assert made.as_json()["same_story"] is None
    assert "Counts of the client and of the service" in html(result())
    assert "Counts of the client and of the service" not in html(made)


def test_a_missing_library_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is one line, before anything is started."""
    monkeypatch.setitem(sys.modules, "hdrh", None)
    with pytest.raises(ExtraMissing, match=r"this needs hdrh: pip install 'affinity-matcher\[loadtest\]'"):
        extra("hdrh")


@pytest.mark.parametrize("text", ["50", "a:b", "5:", ":", "0:0", "-1:5", "1:999999"])
def test_a_wrong_ramp_is_refused(text: str) -> None:
    """A ramp is two rates, not both 0 and none above the bound."""
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
    """A host name that only looks like a loopback address is not this machine."""
    assert Target(address).is_loopback is loopback
