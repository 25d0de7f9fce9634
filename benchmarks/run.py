"""The run of all subjects, `make bench` or `make bench-full`: prints a table and writes build/bench.json."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks import encoder, overload, peers, reserve, route, search, startup, workers
from benchmarks.alone import say
from benchmarks.machine import describe, keep_to_two_cores
from benchmarks.sizes import OUTPUT, Sizes, parser, sizes
from benchmarks.slices import Figures, to_json, void_subjects

MUSTS: Final[dict[str, tuple[str, float]]] = {
    "encoder_batched_over_naive": (">=", 12.0),
    "encoder_recall_loss_points": ("<=", 0.5),
    "encoder_agreement": (">=", 0.985),
    "encoder_batch_invariance": (">=", 1.0),
    "start_over_torch": ("<=", 0.5),
    "rss_over_torch": ("<=", 1.0),
    "search_same_agent": (">=", 1.0),
    "search_ratio_1pct_over_100pct": ("<=", 0.05),
    "reserve_round_trips": ("<=", 1.01),
    "reserve_100k_over_100": ("<=", 1.3),
    "peer_pgvector_hnsw_speedup": (">=", 4.0),
    "route_cpu_over_echo_cpu": ("<=", 8.0),
    "route_p99_at_70pct_over_lone": ("<=", 8.0),
    "overload_goodput": (">=", 0.9),
    "overload_refusal_over_echo": ("<=", 1.5),
    "overload_p99_over_p99_at_70pct": ("<=", 2.0),
    "route_cached_over_echo_1000": (">=", 0.3),
    "route_cached_over_echo_100": (">=", 0.5),
    "worker_balance": ("<=", 1.3),
}
"""The bounds that must hold; all other figures are only reported."""
AIMS: Final[dict[str, tuple[str, float]]] = {
    "search_ms_100k_10pct": ("<=", 2.0),
    "search_ms_100k_10pct_batched": ("<=", 0.5),
    "reserve_usec": ("<=", 60.0),
    "peer_pgvector_exact_speedup": (">=", 1.0),
    "peer_vector_sets_speedup": (">=", 1.0),
    "route_per_second": (">=", 500.0),
    "route_p50_ms_at_70pct": ("<=", 10.0),
    "route_p99_ms_at_70pct": ("<=", 50.0),
    "rss_mb": ("<=", 450.0),
    "start_seconds": ("<=", 2.0),
}


async def _reserve_and_peers(given: Sizes) -> Figures:
    """Measure both subjects on one store, because it takes a while to fill."""
    async with reserve.open_reserve_store(given) as reserve_store:
        return await reserve.measure_reserve(given, reserve_store) | await peers.measure_peers(given, reserve_store)


SUBJECTS: Final[dict[str, Callable[[Sizes], Awaitable[Figures]]]] = {
    "startup": startup.measure,
    "route": route.measure,
    "overload": overload.measure,
    "workers": workers.measure,
    "search": search.measure,
    "peers": _reserve_and_peers,
    "encoder": encoder.measure,
}
"""The encoder is last, because it loads torch into this process."""


async def run(given: Sizes) -> Figures:
    """Run every subject; the figures of a subject that fails are missing, and `failed` names it."""
    figures: Figures = {"size": given.name, "suite": given.suite.name, **describe()}
    failed = []
    for name, measure in SUBJECTS.items():
        begun = time.monotonic()
        say(f"== {name}")
        try:
            figures |= await measure(given)
        except Exception:  # noqa: BLE001 - the other subjects are still measured
            failed.append(name)
            traceback.print_exc()
        figures[f"seconds_{name}"] = round(time.monotonic() - begun, 1)
    figures |= {key: None for key in (*MUSTS, *AIMS) if key not in figures}
    return figures | {"void": ", ".join(void_subjects(figures)), "failed": ", ".join(failed)}


def table(figures: Figures) -> Table:
    """Return the figures as a table for people, with the bounds that must hold and those that are aims."""
    grid = Table(title=f"{figures['machine_cpu']}, {figures['machine_cores_used']} cores, size {figures['size']}")
    for column, side in (("figure", "left"), ("value", "right"), ("95 %", "right"), ("must", "right"), ("", "left")):
        grid.add_column(column, justify="right" if side == "right" else "left")
    for key, value in figures.items():
        if key.endswith(("_low", "_high")):
            continue
        low, high = figures.get(f"{key}_low"), figures.get(f"{key}_high")
        bound, verdict = _judged(key, value)
        between = f"{_shown(low)} - {_shown(high)}" if low is not None else ""
        grid.add_row(key, _shown(value), between, bound, verdict)
    return grid


def _judged(key: str, value: object) -> tuple[str, str]:
    must = MUSTS.get(key)
    sign, bound = must or AIMS.get(key, ("", 0.0))
    if not sign:
        return "", ""
    text = f"{sign} {bound:g}" + ("" if must else " (aim)")
    if not isinstance(value, int | float):
        return text, "not measured"
    met = value >= bound if sign == ">=" else value <= bound
    return text, "yes" if met else "NO"


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "null" if value is None else str(value)


def main() -> int:
    """Measure, print and write the figures; return 1 where a subject failed."""
    arguments = parser("Measure the service beside its alternatives.")
    arguments.add_argument("--output", type=Path, default=OUTPUT, help="the file of the figures")
    given = arguments.parse_args()
    keep_to_two_cores()
    figures = uvloop.run(run(sizes(given.size, given.suite)))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(to_json(figures), encoding="utf-8")
    Console(width=None if sys.stdout.isatty() else 120).print(table(figures))
    if figures["void"]:
        print(f"VOID, because the A/A arms differ too much: {figures['void']}. Run again on a quieter machine.")
    if figures["failed"]:
        print(f"failed: {figures['failed']}")
    return 1 if figures["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
