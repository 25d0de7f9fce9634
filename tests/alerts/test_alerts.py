"""The alerts of deploy/prometheus: they ask for what exists, have a page in the runbook, and fire when they should."""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from matcher.telemetry import Telemetry

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "deploy" / "prometheus" / "alerts.yaml"
RUNBOOK: Final = (ROOT / "docs" / "runbook.md").read_text("utf-8")
ALERTS: Final[dict[str, dict[str, Any]]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]
}
HANDLED: Final = "grpc_server_handled_total"
ROUTE: Final = 'grpc_method="RouteMessage"'
MINUTES: Final = 90


@dataclass(frozen=True)
class Case:
    """Series under which an alert fires 80 minutes after they begin, beside those of an ordinary day.

    series: by name with labels, the values as promtool writes them, one a minute; they replace an ordinary day's.
    labels: of the alert, besides its severity.
    """

    alert: str
    series: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)


def rising(a_minute: float) -> str:
    """Return a counter that rises by so much each minute."""
    return f"0+{a_minute:g}x{MINUTES}"


def steady(value: float) -> str:
    """Return a gauge that stays."""
    return f"{value:g}+0x{MINUTES}"


def first_at(minute: int, value: int = 1) -> str:
    """Return a counter that has no series before its first event."""
    return f"_x{minute} {value}+0x{MINUTES - minute}"


def histogram(name: str, bounds: dict[str, float], labels: str = "") -> dict[str, str]:
    """Return the series of a histogram; bounds: how many observations a minute are at most so large."""
    more = f",{labels}" if labels else ""
    series = {f'{name}_bucket{{instance="a",le="{bound}"{more}}}': rising(count) for bound, count in bounds.items()}
    return series | {f'{name}_count{{instance="a"{more}}}': rising(bounds["+Inf"])}


ORDINARY: Final = {
    'matcher_serving{instance="a"}': steady(1),
    'process_resident_memory_bytes{instance="a"}': steady(7e8),
    'process_resident_memory_bytes{instance="prometheus"}': steady(5e9),
    'matcher_index_agents{instance="a",site="default"}': steady(1000),
    'matcher_follower_silent_seconds{instance="a",site="default"}': steady(1.9),
    f'{HANDLED}{{instance="a",{ROUTE},grpc_code="OK"}}': rising(600),
    f'{HANDLED}{{instance="a",{ROUTE},grpc_code="UNAVAILABLE"}}': rising(1),
    f'{HANDLED}{{instance="a",{ROUTE},grpc_code="DEADLINE_EXCEEDED"}}': rising(1),
    f'{HANDLED}{{instance="a",{ROUTE},grpc_code="INVALID_ARGUMENT"}}': rising(60),
    'matcher_route_total{instance="a",site="default",outcome="held",basis="AFFINITY"}': rising(500),
    'matcher_route_total{instance="a",site="default",outcome="unmatched",basis="NONE"}': rising(20),
    'matcher_reservations_lapsed_total{instance="a",site="default",state="PENDING"}': rising(50),
    'matcher_agents_sent_away_total{instance="a",site="default",reason="missed"}': rising(0.1),
    'matcher_contacts_waiting{instance="a",site="default",pool="default"}': steady(3),
    'matcher_contacts_quarantined_total{instance="a",site="default",reason="secret"}': steady(2),
    'matcher_records_unreadable_total{instance="a",kind="agent"}': steady(1),
    'matcher_audit_repairs_total{instance="a",kind="hold"}': steady(1),
    'matcher_audit_passes_total{instance="a"}': rising(1),
    'matcher_task_faults_total{instance="a",task="follow"}': steady(2),
    'matcher_events_ignored_total{instance="a",site="default"}': steady(1),
    'matcher_deadlines_broken_total{instance="a",site="default"}': steady(1),
    'matcher_stream_reloads_total{instance="a",site="default"}': steady(1),
    'matcher_watchers_cut_off_total{instance="a"}': steady(1),
    'matcher_ledger_lag_seconds{instance="a",site="default"}': steady(2),
    'matcher_ledger_lost_total{instance="a",site="default"}': steady(7),
    'matcher_audit_trail_waiting{instance="a"}': "0 2 0 0 5 0+0x85",
    'matcher_audit_trail_lost_total{instance="a",site="default"}': steady(2),
    'matcher_quota_refusals_total{instance="a",quota="streams"}': rising(1),
    **histogram("grpc_server_handling_seconds", {"0.05": 590, "1.0": 599, "2.5": 600, "+Inf": 600}, ROUTE),
    **histogram("matcher_route_wait_seconds", {"0.001": 590, "0.5": 600, "+Inf": 600}),
    **histogram("matcher_loop_lag_seconds", {"0.001": 1190, "0.25": 1199, "+Inf": 1200}),
    **histogram("matcher_store_seconds", {"0.001": 990, "0.1": 1000, "+Inf": 1000}, 'verb="reserve"'),
    **histogram("matcher_index_lag_seconds", {"0.01": 990, "1.0": 1000, "+Inf": 1000}),
    **histogram("matcher_encoder_queue_seconds", {"0.01": 590, "0.25": 600, "+Inf": 600}),
    **histogram("matcher_contact_waited_seconds", {"60": 9, "300": 10, "+Inf": 10}, 'site="default"'),
}
"""A day on which nothing is wrong: some calls are refused for their fields, some offers lapse, some people wait."""

SITE: Final = {"site": "default"}
ON_A: Final = {"instance": "a"}
CASES: Final = [
    Case("NobodyServes", {'matcher_serving{instance="a"}': "1+0x60 0+0x30"}),
    Case("NobodyServes", {'matcher_serving{instance="a"}': "1+0x60 _x30"}),
    Case("ProcessDoesNotServe", {'matcher_serving{instance="b"}': steady(0)}, {"instance": "b"}),
    Case("CallsFail", {f'{HANDLED}{{instance="a",{ROUTE},grpc_code="UNAVAILABLE"}}': rising(12)}),
    Case("RoutesTimeOut", {f'{HANDLED}{{instance="a",{ROUTE},grpc_code="DEADLINE_EXCEEDED"}}': rising(12)}),
    Case("RoutesSlow", histogram("grpc_server_handling_seconds", {"0.05": 500, "1.0": 590, "+Inf": 600}, ROUTE)),
    Case(
        "CallsRefused",
        {'matcher_routes_refused_total{instance="a",site="default",reason="standing"}': rising(60)},
        {**SITE, "reason": "standing"},
    ),
    Case(
        "CallsWaitForAdmission",
        histogram("matcher_route_wait_seconds", {"0.001": 400, "0.5": 500, "1.0": 600, "+Inf": 600}),
    ),
    Case("EventLoopLate", histogram("matcher_loop_lag_seconds", {"0.001": 900, "0.25": 1100, "+Inf": 1200}), ON_A),
    Case(
        "StoreSlow",
        histogram("matcher_store_seconds", {"0.001": 800, "0.1": 900, "0.5": 1000, "+Inf": 1000}, 'verb="reserve"'),
        ON_A,
    ),
    Case("FollowerSilent", {'matcher_follower_silent_seconds{instance="a",site="default"}': steady(30)}, SITE | ON_A),
    Case(
        "IndexLate", histogram("matcher_index_lag_seconds", {"0.01": 800, "1.0": 900, "5.0": 1000, "+Inf": 1000}), ON_A
    ),
    Case("StreamsTrimmed", {'matcher_stream_reloads_total{instance="a",site="default"}': rising(0.1)}, SITE | ON_A),
    Case(
        "EncoderLate",
        histogram("matcher_encoder_queue_seconds", {"0.01": 400, "0.25": 500, "1.0": 600, "+Inf": 600}),
        ON_A,
    ),
    Case(
        "RoutesNotCompared",
        {'matcher_routes_degraded_total{instance="a",site="default",why="ENCODER_FULL"}': rising(5)},
        {**SITE, "why": "ENCODER_FULL"},
    ),
    Case(
        "BackgroundTaskFailing",
        {'matcher_task_faults_total{instance="a",task="follow"}': rising(1)},
        {**ON_A, "task": "follow"},
    ),
    Case(
        "DeadlinesBroken",
        {'matcher_deadlines_broken_total{instance="a",site="night"}': first_at(75)},
        {"site": "night"},
    ),
    Case("DeadlinesBroken", {'matcher_deadlines_broken_total{instance="a",site="default"}': rising(1)}, SITE),
    Case("EventsIgnored", {'matcher_events_ignored_total{instance="a",site="night"}': first_at(75)}, {"site": "night"}),
    Case("EventsIgnored", {'matcher_events_ignored_total{instance="a",site="default"}': rising(1)}, SITE),
    Case(
        "RecordsDamaged", {'matcher_records_unreadable_total{instance="a",kind="pool"}': first_at(75)}, {"kind": "pool"}
    ),
    Case("RecordsDamaged", {'matcher_audit_repairs_total{instance="a",kind="hold"}': rising(1)}, {"kind": "hold"}),
    Case("AuditStands", {'matcher_audit_passes_total{instance="a"}': steady(7)}),
    Case("WatchersCutOff", {'matcher_watchers_cut_off_total{instance="a"}': rising(1)}),
    Case("MemoryHigh", {'process_resident_memory_bytes{instance="a"}': steady(1.4e9)}, ON_A),
    Case(
        "CustomersWaitLong",
        histogram("matcher_contact_waited_seconds", {"60": 2, "300": 5, "600": 10, "+Inf": 10}, 'site="default"'),
        SITE,
    ),
    Case("QueueStands", {'matcher_contact_waited_seconds_count{instance="a",site="default"}': steady(9)}, SITE),
    Case(
        "NobodyMatches",
        {'matcher_route_total{instance="a",site="default",outcome="unmatched",basis="NONE"}': rising(200)},
        SITE,
    ),
    Case(
        "OffersLapse",
        {'matcher_reservations_lapsed_total{instance="a",site="default",state="PENDING"}': rising(200)},
        SITE,
    ),
    Case(
        "AgentsSentAway",
        {'matcher_agents_sent_away_total{instance="a",site="default",reason="silent"}': rising(1)},
        {**SITE, "reason": "silent"},
    ),
    Case(
        "ContactsSetAside",
        {'matcher_contacts_quarantined_total{instance="a",site="default",reason="record"}': first_at(50)},
        {**SITE, "reason": "record"},
    ),
    Case(
        "ContactsSetAside",
        {'matcher_contacts_quarantined_total{instance="a",site="default",reason="secret"}': "2+0x60 3+0x30"},
        {**SITE, "reason": "secret"},
    ),
    Case(
        "LedgerBehind",
        {'matcher_ledger_lag_seconds{instance="a",site="default"}': f"0+60x{MINUTES}"},
        SITE,
    ),
    Case("LedgerGap", {'matcher_ledger_lost_total{instance="a",site="default"}': first_at(50, 700)}, SITE),
    Case("LedgerGap", {'matcher_ledger_lost_total{instance="a",site="default"}': "2+0x60 9+0x30"}, SITE),
    Case("LedgerRefuses", {'matcher_ledger_refused_total{instance="a"}': "0+0x60 3+0x30"}),
    Case("AuditTrailBehind", {'matcher_audit_trail_waiting{instance="a"}': steady(3)}),
    Case("AuditTrailLost", {'matcher_audit_trail_lost_total{instance="a",site="default"}': first_at(50, 700)}, SITE),
    Case(
        "QuotaUsedUp",
        {'matcher_quota_refusals_total{instance="a",quota="streams"}': rising(60)},
        {"quota": "streams"},
    ),
]


def test_each_group_and_each_alert_has_a_name_of_its_own() -> None:
    """Prometheus refuses the whole file where two groups have one name."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    assert len({group["name"] for group in groups}) == len(groups)
    assert len(ALERTS) == sum(len(group["rules"]) for group in groups)


def test_each_alert_asks_for_metrics_that_exist() -> None:
    """A metric that was renamed would leave its alert silent for ever."""
    measured = {sample.name for family in Telemetry().registry.collect() for sample in family.samples}
    labelled = {row.name for row in Telemetry().rows}
    known = measured | labelled | {f"{name}{end}" for name in labelled for end in ("_bucket", "_count", "_sum")}
    for name, alert in ALERTS.items():
        asked = set(re.findall(r"\b(?:matcher|grpc_server|process)_[a-z_]+", alert["expr"]))
        assert asked, name
        assert asked <= known, name


def test_each_alert_has_its_page_in_the_runbook() -> None:
    """The page says what it means for customers, what to look at and what to do; and no page is of another alert."""
    pages = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
    assert pages.keys() == ALERTS.keys()
    for name, alert in ALERTS.items():
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert re.findall(r"^\*(\w[\w ]+):\*", pages[name], re.MULTILINE) == ["Customers", "Look at", "Do"], name


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    """An alert without a case has never been seen to fire."""
    assert {case.alert for case in CASES} == ALERTS.keys()


@pytest.mark.alerts
async def test_each_alert_fires_in_its_case_and_none_on_an_ordinary_day(tmp_path: Path) -> None:
    """By promtool: each case has the series of an ordinary day but for what is wrong, and fires this alert."""
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: it is in Debian's package prometheus"
    quiet = {"interval": "1m", "input_series": listed(ORDINARY), "alert_rule_test": []}
    quiet["alert_rule_test"] = [{"eval_time": "80m", "alertname": name, "exp_alerts": []} for name in ALERTS]
    file = tmp_path / "alerts.test.yaml"
    tests = [quiet, *(as_test(case) for case in CASES)]
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    run = await asyncio.create_subprocess_exec(
        *(promtool, "test", "rules", str(file)), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await run.communicate()
    assert run.returncode == 0, said.decode()


def as_test(case: Case) -> dict[str, Any]:
    """Return a case as promtool reads it. The texts of an alert are not compared: its labels say which it is."""
    labels = {**case.labels, "severity": ALERTS[case.alert]["labels"]["severity"]}
    labels |= {"alertname": case.alert, "alertstate": "firing"}
    selected = ",".join(f'{name}="{value}"' for name, value in labels.items())
    sample = {"labels": f"ALERTS{{{selected}}}", "value": 1}
    return {
        "interval": "1m",
        "input_series": listed(ORDINARY | case.series),
        "promql_expr_test": [{"expr": f"ALERTS{{{selected}}}", "eval_time": "80m", "exp_samples": [sample]}],
    }


def listed(series: dict[str, str]) -> list[dict[str, str]]:
    """Return series as promtool reads them."""
    return [{"series": name, "values": values} for name, values in series.items()]
