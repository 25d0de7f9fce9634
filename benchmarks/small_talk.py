"""Small talk on drawn rosters: how much of it finds an agent by affinity, of sentences that are in no packaged file.

`python -m benchmarks.small_talk SUITE… --rosters 50 --seed 17` draws rosters of 5 to 5,000 agents: by turns in one
language, in all languages of `tests/data/interests.txt`, and of the profiles of the suites; and prints a line for each.
It compares by the code that serves, with the packaged model.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matcher.cli.progress import steps
from matcher.cli.session import Session
from matcher.config import load
from matcher.evaluation.production import Production, open_production, search
from matcher.evaluation.suite import SuiteAgent, read_suite
from matcher.telemetry import configure_logs

DATA: Final = Path(__file__).parents[1] / "tests" / "data"
SMALLEST: Final = 5
LARGEST: Final = 5_000
MOST_INTERESTS: Final = 5


@dataclass(frozen=True, slots=True)
class Roster:
    """A drawn roster; of: what its interests were drawn from."""

    of: str
    agents: tuple[SuiteAgent, ...]


def sections(path: Path) -> dict[str, list[str]]:
    """Return the lines of a file by the language above them ("# de")."""
    found: dict[str, list[str]] = {}
    language = ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("# "):
            language = line[2:]
        else:
            found.setdefault(language, []).append(line)
    return found


def draw_roster(of: str, interests: Sequence[str], size: int, draw: random.Random) -> Roster:
    """Draw agents, each with one to five of the interests."""
    counts = (draw.randint(1, MOST_INTERESTS) for _ in range(size))
    held = (tuple(draw.sample(interests, min(count, len(interests)))) for count in counts)
    return Roster(of, tuple(SuiteAgent(f"a{at}", f"A{at}", said) for at, said in enumerate(held)))


def draw_rosters(sources: Mapping[str, Sequence[str]], count: int, seed: int) -> Iterator[Roster]:
    """Draw rosters of the sources by turns; their sizes are spread evenly over the logarithm of 5 to 5,000."""
    draw, names = random.Random(seed), list(sources)
    for number in range(count):
        share = number / max(count - 1, 1)
        size = round(math.exp(math.log(SMALLEST) + share * (math.log(LARGEST) - math.log(SMALLEST))))
        name = names[number % len(names)]
        yield draw_roster(name, sources[name], size, draw)


async def share_with_affinity(production: Production, roster: Roster, texts: Sequence[str]) -> float:
    """Return the share of texts that get an agent by affinity; the vectors of all texts must be encoded."""
    index = production.index(roster.agents)
    floors = await production.floors_of(index)
    found = 0
    for message in map(production.read, texts):
        best = search(index, message).scores.affinity.max(initial=0.0)
        found += bool(best > 0.0 and best >= floors.of(message.language))
    return found / len(texts)


async def main() -> None:
    """Draw the rosters and print the share of each, their mean and the greatest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", type=Path)
    parser.add_argument("--rosters", type=int, default=50)
    parser.add_argument("--seed", type=int, default=17)
    given = parser.parse_args()
    by_language = sections(DATA / "interests.txt")
    texts = [text for of_language in sections(DATA / "small_talk_others.txt").values() for text in of_language]
    everyone = [interest for interests in by_language.values() for interest in interests]
    profiles = {
        suite.name: sorted({interest for agent in suite.agents for interest in agent.interests})
        for suite in map(read_suite, given.suites)
    }
    sources = {**by_language, "all languages": everyone, **profiles}
    configure_logs("console", "WARNING")
    session = Session()
    shares = []
    async with open_production(load(), lambda step: session.note(step, style="dim")) as production:
        interests = sorted({interest for interests in sources.values() for interest in interests})
        said = filter(None, production.interest_texts(interests))
        await production.encode(said, "encoding", lambda label, total: steps(session.err, label, total), messages=texts)
        for roster in draw_rosters(sources, given.rosters, given.seed):
            shares.append(await share_with_affinity(production, roster, texts))
            print(f"{len(roster.agents):5} agents, {roster.of}: {shares[-1]:.2%}", flush=True)
    print(
        f"{len(texts)} sentences on {len(shares)} rosters: {sum(shares) / len(shares):.2%} on average, "
        f"{max(shares):.2%} on the worst, {sum(share > 0.02 for share in shares)} rosters over 2 %"
    )


if __name__ == "__main__":
    asyncio.run(main())
