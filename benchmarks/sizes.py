"""The three sizes of a measurement."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
OUTPUT: Final = ROOT / "build" / "bench.json"
SUITES: Final = (ROOT / ".." / "shared" / "evaluation" / "dev" / "persona_1utt", ROOT / "examples" / "suite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The amount that each subject measures, and the suite of the messages and interests."""

    name: str
    suite: Path
    pairs: int
    """Pairs of slices (A B, B A)."""
    encoder_messages: int
    """Messages in a slice of the batched encoder; a slice of the naive encoder has a tenth."""
    suite_messages: int
    """Messages of each suite whose top agent is compared with fp32's."""
    invariance_batches: int
    starts: int
    rss_messages: int
    search_agents: tuple[int, ...]
    search_messages: int
    large_roster: int
    """Agents of the site of the peers and of `reserve`."""
    round_trip_routes: int
    reserves: int
    """Reserves in a slice."""
    peer_queries: int
    """Reserves in a slice of each peer."""
    peer_checks: int
    """Queries that test a setting of a peer."""
    agents: int
    """Agents, with 5 interests each, of the routed site."""
    routes: int
    """Routes in a slice."""
    seconds: float
    """The duration of each open-loop run and of each measurement of the peak."""

    @property
    def free(self) -> int:
        """The free agents of the routed site: a tenth."""
        return self.agents // 10


TINY: Final = {
    "pairs": 2, "encoder_messages": 100, "suite_messages": 60, "invariance_batches": 20, "starts": 1,
    "rss_messages": 100, "search_agents": (500, 1_000), "search_messages": 8, "large_roster": 2_000,
    "round_trip_routes": 60, "reserves": 50, "peer_queries": 10, "peer_checks": 50, "agents": 500, "routes": 40,
    "seconds": 2.0,
}  # fmt: skip
QUICK: Final = {
    "pairs": 4, "encoder_messages": 1_000, "suite_messages": 1_000, "invariance_batches": 500, "starts": 2,
    "rss_messages": 2_000, "search_agents": (1_000, 10_000, 100_000), "search_messages": 24, "large_roster": 100_000,
    "round_trip_routes": 1_000, "reserves": 500, "peer_queries": 50, "peer_checks": 400, "agents": 10_000,
    "routes": 200, "seconds": 8.0,
}  # fmt: skip
FULL: Final = {
    "pairs": 10, "encoder_messages": 2_000, "suite_messages": 2_000, "invariance_batches": 10_000, "starts": 5,
    "rss_messages": 10_000, "search_agents": (1_000, 10_000, 100_000), "search_messages": 100,
    "large_roster": 100_000, "round_trip_routes": 10_000, "reserves": 1_000, "peer_queries": 100,
    "peer_checks": 1_000, "agents": 10_000, "routes": 200, "seconds": 30.0,
}  # fmt: skip
NAMED: Final[dict[str, dict[str, object]]] = {"tiny": TINY, "quick": QUICK, "full": FULL}


def default_suite() -> Path:
    """Return the first suite that exists."""
    return next(folder.resolve() for folder in SUITES if folder.is_dir())


def sizes(name: str, suite: Path | None = None) -> Sizes:
    """Return the sizes of a name; suite None: the first that exists."""
    return Sizes(name=name, suite=suite or default_suite(), **NAMED[name])  # type: ignore[arg-type]


def parser(description: str) -> argparse.ArgumentParser:
    """Return the parser of the arguments that all subjects have."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--size", choices=list(NAMED), default="quick", help="the amount to measure")
    arguments.add_argument(
        "--suite", type=Path, help="folder with agents.jsonl and messages.jsonl; default: the first that exists"
    )
    return arguments
