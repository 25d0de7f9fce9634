"""How much is measured: the same subjects at three sizes."""

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
    """Say how much each subject measures; `suite` is where messages and interests come from."""

    name: str
    suite: Path
    pairs: int
    """Pairs of slices (A B, B A)."""
    encoder_messages: int
    """Messages a slice of the batched encoder; the naive one does a tenth."""
    suite_messages: int
    """Messages of each suite whose top agent is compared with fp32."""
    invariance_batches: int
    starts: int
    rss_messages: int
    search_agents: tuple[int, ...]
    search_messages: int
    large_roster: int
    """Agents of the site that the peers and `reserve` work on."""
    round_trip_routes: int
    reserves: int
    """Reserves a slice."""
    peer_queries: int
    """Claims a slice of each peer."""
    peer_checks: int
    """Queries by which a setting of a peer is judged."""
    agents: int
    """Agents, with 5 interests each, of the site that is routed on."""
    routes: int
    """Routes a slice."""
    seconds: float
    """How long each open-loop run and each measurement of the peak lasts."""

    @property
    def free(self) -> int:
        """Agents of the routed site who are free: a tenth."""
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
    """Return the first suite that is there."""
    return next(folder.resolve() for folder in SUITES if folder.is_dir())


def sizes(name: str, suite: Path | None = None) -> Sizes:
    """Return the sizes of a name; suite None: the first that is there."""
    return Sizes(name=name, suite=suite or default_suite(), **NAMED[name])  # type: ignore[arg-type]


def parser(description: str) -> argparse.ArgumentParser:
    """Return the arguments that every subject takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--size", choices=list(NAMED), default="quick", help="how much is measured")
    made.add_argument("--suite", type=Path, help="folder with agents.jsonl and messages.jsonl; default: what is there")
    return made
