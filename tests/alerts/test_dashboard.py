"""The dashboard of deploy/grafana: each panel asks for what exists, and a real Prometheus answers it."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from benchmarks.dashboard import DASHBOARD, panels, record
from matcher.telemetry import Telemetry

SECONDS = 12.0
DOCUMENT: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))


def test_each_panel_asks_for_metrics_that_exist() -> None:
    """A metric that was renamed would leave an empty panel, which reads as a quiet day."""
    names = {row.name for row in Telemetry().rows}
    known = names | {f"{name}{end}" for name in names for end in ("_bucket", "_count", "_sum")}
    known |= {"process_cpu_seconds_total", "process_resident_memory_bytes"}
    for panel in panels():
        for query, _ in panel.queries:
            asked = set(re.findall(r"\b(?:matcher|grpc_server|process)_[a-z_]+", query))
            assert asked, panel.title
            assert asked <= known, panel.title


def test_the_panels_say_what_they_show_and_do_not_overlap() -> None:
    """Each has a description, a unit and a place of its own."""
    shown = [panel for panel in DOCUMENT["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in DOCUMENT["panels"]}) == len(DOCUMENT["panels"])
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in shown)
    for one, other in combinations([panel["gridPos"] for panel in DOCUMENT["panels"]], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


@pytest.mark.alerts
async def test_prometheus_answers_each_panel_over_a_recorded_run() -> None:
    """The run has customers who are served, who wait, and who find nobody; and nothing fires."""
    _, answered, firing = await record(SECONDS, {})
    assert [title for title, lines in answered.items() if not lines] == []
    assert firing == []
