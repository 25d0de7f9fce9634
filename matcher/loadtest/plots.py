"""The plots of a report, as SVG for an HTML page."""

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
"""A percentile is drawn only if at least this many requests lie beyond it."""


def latency_by_percentile(result: Result) -> str:
    """Draw the latency over the percentile, with both axes logarithmic, as is usual with HDR histograms."""
    figure, panel = _figure(8.4, 3.7)
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
    ticks = [
        percent for percent in QUANTILES if percent in {0.0, 50.0, 90.0, 99.0, 99.9, 99.99} and percent <= furthest
    ]
    panel.set_xticks([_beyond(percent) for percent in ticks], [f"{percent:g} %" for percent in ticks])
    panel.minorticks_off()
    panel.set(xlabel="share of the requests that took no longer", ylabel="latency, ms")
    _plain_ticks(panel)
    return _svg(figure, panel)


def rate_over_time(result: Result) -> str:
    """Draw the requests of each second by their ending, and below them the latencies of those held."""
    extra("matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 5.6), layout="constrained")
    rates, times = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    seconds = _shown(result)
    at = [second.second + 0.5 for second in seconds]
    rates.plot(at, [second.held for second in seconds], color=BLUE, linewidth=1.8, label="held")
    # Drawn above the others and dashed, because the lines are equal where all requests are held.
    offered = [second.offered for second in seconds]
    rates.plot(at, offered, color="black", linewidth=1.2, linestyle=(0, (2, 3)), zorder=4, label="offered")
    for ending in (Ending.UNMATCHED, Ending.REFUSED, Ending.FAILED):
        values = [getattr(second, ending.value) for second in seconds]
        if any(values):
            rates.plot(at, values, color=COLORS[ending], linewidth=1.5, label=ending.value)
    if seconds and seconds[-1].second >= result.run.plan.ramp.seconds:
        for panel in (rates, times):
            panel.axvline(result.run.plan.ramp.seconds, color=GREY, linewidth=1, linestyle="--")
        rates.plot([], [], color=GREY, linewidth=1, linestyle="--", label="the last request was due")
    rates.set_ylim(bottom=0)
    rates.set(ylabel="requests a second")
    answered = [second for second in seconds if second.p50_ms is not None]
    for label, color, name in (("p99", RED, "p99_ms"), ("p50", BLUE, "p50_ms")):
        times.plot(
            [second.second + 0.5 for second in answered],
            [getattr(second, name) for second in answered],
            color=color,
            label=label,
        )
    times.set_yscale("log")
    times.set(xlabel="second of the run", ylabel="latency of held, ms")
    times.set_xlim(left=0)
    _plain_ticks(times)
    return _svg(figure, rates, times)


def refusals_by_reason(result: Result) -> str:
    """Draw the numbers of requests that got no agent, by reason; return "" where all got one."""
    total = result.run.total
    outcomes = [
        (count, f"{ending.value}: {reason}", COLORS[ending])
        for ending in (Ending.UNMATCHED, Ending.REFUSED, Ending.FAILED)
        for reason, count in total.endings[ending].items()
    ]
    if total.not_sent:
        outcomes.append((total.not_sent, f"not sent: {NOT_SENT}", GREY))
    if not outcomes:
        return ""
    counts, names, colors = zip(*sorted(outcomes), strict=True)
    figure, panel = _figure(8.4, 1.0 + 0.36 * len(names))
    bars = panel.barh([name.replace("_", " ").lower() for name in names], counts, color=colors)
    panel.bar_label(bars, [f"{count:,}" for count in counts], padding=4)
    panel.set_xlim(0, 1.12 * max(counts))
    panel.set(xlabel="requests")
    return _svg(figure)


def _shown(result: Result) -> Sequence[Second]:
    """Return the seconds to draw: those of the plan, and later ones only if a request ended in them."""
    last = result.run.plan.ramp.seconds
    return [
        second
        for second in result.seconds
        if second.second < last or second.held or second.unmatched or second.refused or second.failed
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

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _plain_ticks(panel: Any) -> None:
    """Label a logarithmic axis with plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _svg(figure: Any, *panels: Any) -> str:
    """Return the figure as an `svg` element, without the XML declaration."""
    for panel in figure.axes:
        panel.grid(alpha=0.3)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels:
        panel.legend(frameon=False, fontsize=9)
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    # The page scales the plot: the figure's size in points is removed, its viewBox stays.
    return re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text[text.index("<svg") :])
    )
