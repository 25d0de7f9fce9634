"""Open-loop arrivals, at 70 % of the peak and at three times the peak."""

from __future__ import annotations

import time
from typing import Final

from benchmarks.alone import run_alone, say
from benchmarks.load import Arrivals, Echoes, Outcome, Routes
from benchmarks.machine import CORES, ServerCpu, cpu_seconds
from benchmarks.route import ECHOES_PER_ROUTE, Bench, make_site, open_bench
from benchmarks.sizes import Sizes
from benchmarks.slices import Figures, a_a, estimate

CALM: Final = 0.7
OVER: Final = 3.0
IN_FLIGHTS: Final = (16, 32, 64)
LONE_CALLS: Final = 100


async def measure(sizes: Sizes) -> Figures:
    """Measure the peak, the latency at 70 % of it, and the goodput at three times the peak."""
    site = await make_site(sizes)
    async with open_bench(site, sizes.free, {}) as bench:
        return await _measure(sizes, bench)


async def _measure(sizes: Sizes, bench: Bench) -> Figures:
    target = bench.service.target
    echo_before = cpu_seconds(bench.echo.pid)
    echoes = await bench.caller.run(Echoes(bench.echo.target, ECHOES_PER_ROUTE * sizes.routes, IN_FLIGHTS[0]))
    echo_cpu = (cpu_seconds(bench.echo.pid) - echo_before) / echoes.held

    say("overload: the peak")
    await bench.caller.run(Routes(target, 0, IN_FLIGHTS[0], "at once", seconds=sizes.seconds / 4))
    lone = await bench.caller.run(Routes(target, LONE_CALLS, 1, "at once"))
    rates = {
        in_flight: (await _run(bench, Routes(target, 0, in_flight, "at once", seconds=sizes.seconds / 4))).per_second
        for in_flight in IN_FLIGHTS
    }
    best = max(rates, key=lambda in_flight: rates[in_flight])
    peaks = [await _run(bench, Routes(target, 0, best, "at once", seconds=sizes.seconds / 2)) for _ in range(2)]

    calm_rate = CALM * estimate([peak.per_second for peak in peaks]).median
    say(f"overload: {calm_rate:.0f}/s, which is 70 % of the peak")
    calm = await _run(bench, Arrivals(target, calm_rate, sizes.seconds))
    over_rate = OVER / CALM * calm_rate
    say(f"overload: {over_rate:.0f}/s, three times the peak")
    over = await _run(bench, Arrivals(target, over_rate, sizes.seconds))
    peaks += [await _run(bench, Routes(target, 0, best, "at once", seconds=sizes.seconds / 2)) for _ in range(2)]

    goodput = estimate([peak.goodput for peak in peaks])
    decision_cpu = estimate([peak.server.outside_encoder / peak.outcome.held for peak in peaks]).median
    refused = over.outcome.refused
    refusal_cpu = (over.server.outside_encoder - decision_cpu * over.outcome.held) / refused if refused else None
    lone_ms = lone.percentile_ms(50)
    return {
        "route_per_second": estimate([peak.per_second for peak in peaks]).median,
        "route_peak_in_flight": best,
        "route_lone_ms": lone_ms,
        "route_rate_at_70pct": calm_rate,
        "route_p50_ms_at_70pct": calm.outcome.percentile_ms(50),
        "route_p99_ms_at_70pct": calm.outcome.percentile_ms(99),
        "route_p99_at_70pct_over_lone": calm.outcome.percentile_ms(99) / lone_ms,
        "route_refused_at_70pct": calm.outcome.refused,
        "route_unmatched_at_70pct": calm.outcome.unmatched,
        "route_failed_at_70pct": sum(calm.outcome.failed.values()),
        "route_sent_late_p99_ms_at_70pct": 1000 * calm.outcome.late,
        "overload_goodput": over.goodput / goodput.median,
        "overload_offered_over_peak": (over.arrived / over.outcome.seconds) / (calm_rate / CALM),
        "overload_held": over.outcome.held,
        "overload_unmatched": over.outcome.unmatched,
        "overload_refused": refused,
        "overload_refused_with_retry": over.outcome.refused_with_retry,
        "overload_failed": sum(over.outcome.failed.values()),
        "overload_refusal_over_echo": None if refusal_cpu is None else refusal_cpu / echo_cpu,
        "overload_p50_ms": over.outcome.percentile_ms(50),
        "overload_p99_ms": over.outcome.percentile_ms(99),
        "overload_p99_over_p99_at_70pct": over.outcome.percentile_ms(99) / calm.outcome.percentile_ms(99),
        "overload_sent_late_p99_ms": 1000 * over.outcome.late,
        "overload_generator_cores": over.generator / over.wall,
        **a_a("overload", [peak.goodput for peak in peaks[:2]], [peak.goodput for peak in peaks[2:]]),
    }


class _Run:
    """A run with the CPU seconds of its processes; `wall` is the time from the first call to the last answer."""

    def __init__(self, outcome: Outcome, server: ServerCpu, generator: float, wall: float) -> None:
        self.outcome = outcome
        self.server = server
        self.generator = generator
        self.wall = wall

    @property
    def arrived(self) -> int:
        """The number of calls that were answered in any way."""
        outcome = self.outcome
        return outcome.held + outcome.unmatched + outcome.refused + sum(outcome.failed.values())

    @property
    def per_second(self) -> float:
        """Decisions a second."""
        return self.outcome.held / self.wall

    @property
    def goodput(self) -> float:
        """Decisions for each CPU second of the two cores that the generator did not use."""
        return self.outcome.held / (CORES * self.wall - self.generator)


async def _run(bench: Bench, job: Routes | Arrivals) -> _Run:
    server, caller = bench.service.clock.read(), cpu_seconds(bench.caller.pid)
    start = time.perf_counter()
    outcome = await bench.caller.run(job)
    wall = time.perf_counter() - start
    return _Run(outcome, bench.service.clock.read() - server, cpu_seconds(bench.caller.pid) - caller, wall)


if __name__ == "__main__":
    run_alone(measure)
