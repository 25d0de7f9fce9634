"""The plots of the report, as SVG to put into a page."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any, Final

from matcher.loadtest.extras import extra
from matcher.loadtest.histogram import Latencies
from matcher.loadtest.result import Result, Second
from matcher.loadtest.tally import NOT_SENT, Ending

BLUE: Final = "#1f5fa8"
GREY: Final = "#8a8a8a"
RED: Final = "#b3372f"
ORANGE: Final = "#d08a1d"
PURPLE: Final = "#6a3d8f"
COLORS: Final = {Ending.HELD: BLUE, Ending.UNMATCHED: ORANGE, Ending.REFUSED: RED, Ending.FAILED: PURPLE}
QUANTILES: Final = (0.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999)
LEAST_BEYOND: Final = 1
"""A percentile is drawn as far as at least this many requests lie beyond it."""


def latency_by_percentile(result: Result) -> str:
    """Draw the latency over the percentile, both axes logarithmic, as is the custom with HDR histograms."""
    made, panel = _figure(8.4, 3.7)
    furthest = 50.0
    for ending, color in COLORS.items():
        latencies = result.run.total.latencies[ending]
        if latencies.count:
            steps = _percents(latencies)
            furthest = max(furthest, steps[-1])
            panel.plot(
                [_beyond(percent) for percent in steps],
                [1e3 * latencies.at(percent) for percent in steps],
                color=color,
                linewidth=1.8,
                label=f"{ending.value} ({latencies.count:,})",
            )
    lone = 1e3 * result.run.lone.at(50.0)
    panel.axhline(lone, color=GREY, linewidth=1, linestyle="--", label=f"a lone call, median ({lone:.1f} ms)")
    panel.set_xscale("log")
    panel.set_yscale("log")
    shown = [
        percent for percent in QUANTILES if percent in {0.0, 50.0, 90.0, 99.0, 99.9, 99.99} and percent <= furthest
    ]
    panel.set_xticks([_beyond(percent) for percent in shown], [f"{percent:g} %" for percent in shown])
    panel.minorticks_off()
    panel.set(xlabel="share of the requests that took no longer", ylabel="latency, ms")
    _plain_ticks(panel)
    return _svg(made, panel)


def rate_over_time(result: Result) -> str:
    """Draw requests a second by how they ended, over the latencies of those held, second by second."""
    extra("matplotlib")
    from matplotlib.figure import Figure

    made = Figure(figsize=(8.4, 5.6), layout="constrained")
    rates, times = made.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    seconds = _shown(result)
    at = [one.second + 0.5 for one in seconds]
    rates.plot(at, [one.held for one in seconds], color=BLUE, linewidth=1.8, label="held")
    # Over the others, and broken: where all are held, both lines are the same.
    offered = [one.offered for one in seconds]
    rates.plot(at, offered, color="black", linewidth=1.2, linestyle=(0, (2, 3)), zorder=4, label="offered")
    for ending in (Ending.UNMATCHED, Ending.REFUSED, Ending.FAILED):
        values = [getattr(one, ending.value) for one in seconds]
        if any(values):
            rates.plot(at, values, color=COLORS[ending], linewidth=1.5, label=ending.value)
    if seconds and seconds[-1].second >= result.run.plan.ramp.seconds:
        for panel in (rates, times):
            panel.axvline(result.run.plan.ramp.seconds, color=GREY, linewidth=1, linestyle="--")
        rates.plot([], [], color=GREY, linewidth=1, linestyle="--", label="the last request was due")
    rates.set_ylim(bottom=0)
    rates.set(ylabel="requests a second")
    answered = [one for one in seconds if one.p50_ms is not None]
    for label, color, name in (("p99", RED, "p99_ms"), ("p50", BLUE, "p50_ms")):
        times.plot(
            [one.second + 0.5 for one in answered], [getattr(one, name) for one in answered], color=color, label=label
        )
    times.set_yscale("log")
    times.set(xlabel="second of the run", ylabel="latency of held, ms")
    times.set_xlim(left=0)
    _plain_ticks(times)
    return _svg(made, rates, times)


def refusals_by_reason(result: Result) -> str:
    """Draw how many requests got no agent, and why; "" where all got one."""
    total = result.run.total
    found = [
        (count, f"{ending.value}: {reason}", COLORS[ending])
        for ending in (Ending.UNMATCHED, Ending.REFUSED, Ending.FAILED)
        for reason, count in total.endings[ending].items()
    ]
    if total.not_sent:
        found.append((total.not_sent, f"not sent: {NOT_SENT}", GREY))
    if not found:
        return ""
    counts, names, colors = zip(*sorted(found), strict=True)
    made, panel = _figure(8.4, 1.0 + 0.36 * len(names))
    bars = panel.barh([name.replace("_", " ").lower() for name in names], counts, color=colors)
    panel.bar_label(bars, [f"{count:,}" for count in counts], padding=4)
    panel.set_xlim(0, 1.12 * max(counts))
    panel.set(xlabel="requests")
    return _svg(made)


def _shown(result: Result) -> Sequence[Second]:
    """Leave out the last part of a second, unless something ended in it."""
    last = result.run.plan.ramp.seconds
    return [
        one for one in result.seconds if one.second < last or one.held or one.unmatched or one.refused or one.failed
    ]


def _percents(latencies: Latencies) -> list[float]:
    steps = [percent for percent in QUANTILES if latencies.count * (100 - percent) / 100 >= LEAST_BEYOND]
    fine = [100 * (1 - 10 ** -(step / 20)) for step in range(1, 101)]
    furthest = steps[-1] if steps else 0.0
    return sorted({*steps, *(percent for percent in fine if percent < furthest)})


def _beyond(percent: float) -> float:
    return 1 / (1 - percent / 100)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    extra("matplotlib")
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.subplots()


def _plain_ticks(panel: Any) -> None:
    """Label a logarithmic axis with plain numbers, one, two and five of each decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _svg(made: Any, *panels: Any) -> str:
    """Return the figure as an element of a page, without the file's head."""
    for panel in made.axes:
        panel.grid(alpha=0.3)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels:
        panel.legend(frameon=False, fontsize=9)
    file = io.StringIO()
    made.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    # The page scales the plot: its own size in points goes, its viewBox stays.
    return re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text[text.index("<svg") :])
    )
