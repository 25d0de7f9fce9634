"""The rows of a report, as text, for the terminal and for the HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matcher.loadtest.histogram import Latencies
from matcher.loadtest.result import Result
from matcher.loadtest.service_metrics import Spread
from matcher.loadtest.tally import Ending

Facts = Sequence[tuple[str, str]]

LATENCY_COLUMNS = ("latency, ms", "requests", "mean", "p50", "p90", "p99", "p99.9", "max")


def title(result: Result) -> str:
    """Return the offered load, in one line."""
    ramp = result.run.plan.ramp
    rate = f"{ramp.first:g}" if ramp.first == ramp.last else f"{ramp.first:g} to {ramp.last:g}"
    return f"{rate} requests a second for {ramp.seconds:g} s"


def facts(result: Result) -> Facts:
    """Return the plan's figures and the outcomes."""
    run, total = result.run, result.run.total
    plan, roster = run.plan, run.plan.roster
    lag = 1e3 * result.generator.lag.at(99.0)
    return (
        ("roster", f"{roster.agents:,} agents with {roster.interests} interests each, {roster.free_agents:,} free"),
        (
            "offered",
            f"{total.offered:,} requests, {total.offered / plan.ramp.seconds:,.1f} a second, Poisson, open loop",
        ),
        ("held", f"{total.count(Ending.HELD):,}{_by(total.endings[Ending.HELD])}"),
        ("held within the run", f"{result.held_per_second:,.1f} a second"),
        ("unmatched", f"{total.count(Ending.UNMATCHED):,}{_by(total.endings[Ending.UNMATCHED])}"),
        ("refused", f"{total.count(Ending.REFUSED):,}{_by(total.endings[Ending.REFUSED])}"),
        ("failed", f"{total.count(Ending.FAILED):,}{_by(total.endings[Ending.FAILED])}"),
        ("not sent", f"{total.not_sent:,}" if total.not_sent else ""),
        ("completed", f"{total.completed:,}{_by(total.not_completed, 'not: ')}"),
        ("a lone call", f"p50 {1e3 * run.lone.at(50.0):.1f} ms over {run.lone.count} calls"),
        (
            "generator",
            f"{plan.processes} processes with {plan.channels_each} channels each, busiest "
            f"{max(result.generator.core_shares, default=0.0):.0%} of a core, p99 of the sending delay {lag:.1f} ms",
        ),
    )


def latency_rows(result: Result) -> Sequence[Sequence[str]]:
    """Return a row of LATENCY_COLUMNS for each ending that occurred; a latency starts when the request is due."""
    rows = []
    for ending in Ending:
        latencies = result.run.total.latencies[ending]
        if latencies.count:
            rows.append((ending.value, f"{latencies.count:,}", *_times(latencies)))
    return rows


def service_facts(result: Result) -> Facts:
    """Return the run's figures from the service's metrics; none where the metrics were not read."""
    figures = result.run.service
    if figures is None:
        return ()
    routed = sum(figures.codes.values())
    cpu = f"{1e3 * figures.cpu_seconds / routed:.2f} ms a RouteMessage, without the store" if routed else ""
    rows: list[tuple[str, str]] = [
        ("CPU", f"{figures.cpu_seconds:.1f} s, {cpu}"),
        ("texts a batch", _size(figures.batch_size)),
        ("wait for the encoder", _time(figures.queue_seconds)),
        ("index lag", _time(figures.index_lag_seconds)),
        ("candidates a message", _size(figures.candidates)),
        (
            "calls to the store",
            ", ".join(f"{verb} {count:,}" for verb, count in sorted(figures.store_round_trips.items())),
        ),
    ]
    if len(figures.routes_by_process) > 1:
        routes = figures.routes_by_process
        ratio = f", max/min {max(routes) / min(routes):.2f}" if min(routes) else ""
        rows.append(("routes by worker", ", ".join(f"{count:,}" for count in routes) + ratio))
    return [(name, value) for name, value in rows if value]


def _by(counts: Mapping[str, int], prefix: str = "") -> str:
    if not counts:
        return ""
    parts = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1]))
    return f" ({prefix}{parts})"


def _times(latencies: Latencies) -> Sequence[str]:
    percentiles = (latencies.at(percent) for percent in (50.0, 90.0, 99.0, 99.9))
    return [f"{1e3 * seconds:,.1f}" for seconds in (latencies.mean, *percentiles, latencies.longest)]


def _size(spread: Spread | None) -> str:
    return f"mean {spread.mean:,.1f}" if spread else ""


def _time(spread: Spread | None) -> str:
    if spread is None:
        return ""
    bound = "over the last bucket" if spread.p99_at_most is None else f"at most {1e3 * spread.p99_at_most:g} ms"
    return f"mean {1e3 * spread.mean:,.2f} ms, p99 {bound}"
