"""The result in rows of text, for the terminal and for the page alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matcher.loadtest.histogram import Latencies
from matcher.loadtest.result import Result
from matcher.loadtest.service_metrics import Spread
from matcher.loadtest.tally import Ending

Facts = Sequence[tuple[str, str]]

LATENCY_COLUMNS = ("latency, ms", "requests", "mean", "p50", "p90", "p99", "p99.9", "max")


def title(result: Result) -> str:
    """Return what was offered, in a line."""
    ramp = result.run.plan.ramp
    rate = f"{ramp.first:g}" if ramp.first == ramp.last else f"{ramp.first:g} to {ramp.last:g}"
    return f"{rate} requests a second for {ramp.seconds:g} s"


def facts(result: Result) -> Facts:
    """Return what was asked for and what came of it."""
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
            f"{max(result.generator.core_shares, default=0.0):.0%} of a core, sends late by p99 {lag:.1f} ms",
        ),
    )


def latency_rows(result: Result) -> Sequence[Sequence[str]]:
    """Return a row of percentiles for each ending that there was, from the moment due, in the order of its columns."""
    rows = []
    for ending in Ending:
        found = result.run.total.latencies[ending]
        if found.count:
            rows.append((ending.value, f"{found.count:,}", *_times(found)))
    return rows


def service_facts(result: Result) -> Facts:
    """Return what the service's metrics say of the run; none where they were not read."""
    said = result.run.service
    if said is None:
        return ()
    routed = sum(said.codes.values())
    cpu = f"{1e3 * said.cpu_seconds / routed:.2f} ms a RouteMessage, without the store" if routed else ""
    found: list[tuple[str, str]] = [
        ("CPU", f"{said.cpu_seconds:.1f} s, {cpu}"),
        ("texts a batch", _size(said.batch_size)),
        ("wait for the encoder", _time(said.queue_seconds)),
        ("index lag", _time(said.index_lag_seconds)),
        ("candidates a message", _size(said.candidates)),
        (
            "calls to the store",
            ", ".join(f"{verb} {count:,}" for verb, count in sorted(said.store_round_trips.items())),
        ),
    ]
    if len(said.routes_by_process) > 1:
        each = said.routes_by_process
        ratio = f", max/min {max(each) / min(each):.2f}" if min(each) else ""
        found.append(("routes by worker", ", ".join(f"{count:,}" for count in each) + ratio))
    return [(name, value) for name, value in found if value]


def _by(counts: Mapping[str, int], before: str = "") -> str:
    if not counts:
        return ""
    said = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1]))
    return f" ({before}{said})"


def _times(found: Latencies) -> Sequence[str]:
    seconds = (found.mean, *(found.at(percent) for percent in (50.0, 90.0, 99.0, 99.9)), found.longest)
    return [f"{1e3 * one:,.1f}" for one in seconds]


def _size(found: Spread | None) -> str:
    return f"mean {found.mean:,.1f}" if found else ""


def _time(found: Spread | None) -> str:
    if found is None:
        return ""
    bound = "over the last bucket" if found.p99_at_most is None else f"at most {1e3 * found.p99_at_most:g} ms"
    return f"mean {1e3 * found.mean:,.2f} ms, p99 {bound}"
