"""The plots of `make bench`: `python -m benchmarks.plots build/bench.json docs`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from benchmarks.slices import Figures

BLUE: Final = "#1f5fa8"
ORANGE: Final = "#d08a1d"
GREEN: Final = "#3d7d4f"
GREY: Final = "#8a8a8a"
RED: Final = "#b3372f"
COLORS: Final = (GREY, ORANGE, BLUE, GREEN)
SHARES: Final = {0.1: "01pct", 1.0: "1pct", 10.0: "10pct", 100.0: "100pct"}
ROSTERS: Final = {"1k": "1,000 agents", "10k": "10,000", "100k": "100,000"}
PEERS: Final = {
    "pgvector_hnsw": "pgvector HNSW",
    "pgvector_exact": "pgvector exact",
    "vector_sets": "Redis vector sets",
    "faiss_hnsw": "FAISS HNSW",
}
RIGHT: Final = 0.99
"""The share of right answers that a router needs."""


def search(figures: Figures) -> Figure:
    """Draw the cost of a search over the share of free agents."""
    figure, panel = _figure("share of the agents who are free, %", "CPU ms a search")
    for color, (name, label) in zip(COLORS, ROSTERS.items(), strict=False):
        measured = {share: figures.get(f"search_ms_{name}_{pct}") for share, pct in SHARES.items()}
        present = {share: ms for share, ms in measured.items() if isinstance(ms, float)}
        panel.plot(list(present), list(present.values()), "o-", color=color, linewidth=1.8, label=label)
    panel.set(xscale="log", yscale="log", title="Search: the cost follows the number of free agents")
    panel.set_xticks(list(SHARES), [f"{share:g}" for share in SHARES])
    _plain(panel)
    panel.legend(frameon=False)
    return figure


def decision(figures: Figures) -> Figure:
    """Draw the parts of a decision's CPU, beside a bare echo."""
    figure, panel = _figure("CPU µs a call", "")
    store, encoder = _number(figures, "route_store_cpu_usec"), _number(figures, "route_encoder_cpu_usec")
    server, echo = _number(figures, "route_cpu_usec") - store, _number(figures, "echo_cpu_usec")
    parts = ((server, BLUE, "server: gRPC, search, events"), (store, ORANGE, "store"), (encoder, GREY, "encoder"))
    left = 0.0
    for width, color, label in parts:
        panel.barh(["a decision"], [width], left=[left], color=color, label=f"{label}, {width:,.0f}")
        left += width
    panel.barh(["a bare echo"], [echo], color=GREEN, label=f"echo's server, {echo:,.0f}")
    panel.set_title("Where the CPU of a decision goes")
    panel.invert_yaxis()
    panel.legend(frameon=False, loc="lower right")
    return figure


def peers(figures: Figures) -> Figure:
    """Draw each peer's time for the nearest free agent over its share of right answers."""
    figure, panel = _figure("share of right answers", "ms to find and reserve")
    for color, (name, label) in zip(COLORS, PEERS.items(), strict=False):
        start = f"peer_{name}_ms_at_"
        settings = [key.removeprefix(start) for key in figures if key.startswith(start)]
        swept = [(figures[f"peer_{name}_right_at_{setting}"], figures[start + setting]) for setting in settings]
        points = sorted(swept) or [(figures.get(f"peer_{name}_right"), figures.get(f"peer_{name}_ms"))]
        if None not in points[0]:
            panel.plot(*zip(*points, strict=True), "o-", color=color, linewidth=1.4, markersize=4, label=label)
    ours = (_number(figures, "peer_ours_right"), _number(figures, "peer_ours_ms"))
    panel.plot(*([value] for value in ours), "*", color=RED, markersize=14, label="this router")
    panel.axvline(RIGHT, color=GREY, linewidth=0.8, linestyle=":")
    panel.set(yscale="log", title=f"{_number(figures, 'peer_agents'):,.0f} agents, 10 % free, one query at a time")
    _plain(panel)
    panel.legend(frameon=False)
    return figure


PLOTS: Final = {"search": search, "decision": decision, "peers": peers}


def _figure(x: str, y: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7.6, 3.6), layout="constrained")
    panel = figure.subplots()
    panel.set(xlabel=x, ylabel=y)
    panel.spines[["top", "right"]].set_visible(False)
    return figure, panel


def _plain(panel: Any) -> None:
    panel.yaxis.set_major_formatter("{x:g}")


def _number(figures: Figures, key: str) -> float:
    value = figures.get(key)
    return float(value) if isinstance(value, int | float) else float("nan")


def main() -> int:
    """Draw every plot of a bench.json into a folder."""
    source, folder = map(Path, sys.argv[1:3])
    figures = json.loads(source.read_text(encoding="utf-8"))
    for name, draw in PLOTS.items():
        draw(figures).savefig(folder / f"bench-{name}.png", dpi=110)
    return 0


if __name__ == "__main__":
    sys.exit(main())
