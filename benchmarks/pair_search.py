"""The search of the packaged pair's vectors beside that of its first model's, in one run: the scan, and the whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from benchmarks.alone import run_alone, say
from benchmarks.material import Roster, encode, make_roster, read_material
from benchmarks.sizes import ROOT, Sizes
from benchmarks.slices import Figures, a_a, estimate, ratio
from matcher.affinity.lexicon import stems
from matcher.affinity.scorer import Floats, Scorer
from matcher.affinity.scorer_file import load_scorer
from matcher.affinity.sentences import split
from matcher.encoder import EncoderSettings, fingerprint_of, halves_of, open_encoder
from matcher.encoder.settings import PACKAGED_MODEL, PACKAGED_PAIR
from matcher.index import Query, SiteIndex
from matcher.model import Requirements
from matcher.replica.text_reading import TEXT_READING

FLOOR: Final = 0.1
ANYONE: Final = Requirements()
ARMS: Final = ("first", "pair", "other")
"""Vectors of the first model; of the pair; of the pair, without the half that an English text alone has."""


async def measure(sizes: Sizes) -> Figures:
    """Search each message once in every arm, in turn, for every size of the roster, all agents free."""
    material = read_material(sizes.suite)
    settings = EncoderSettings(cache_dir=ROOT / "build" / "models", model=PACKAGED_PAIR)
    encoder = await open_encoder(settings, say, reading=TEXT_READING)
    try:
        halves = halves_of(encoder)
        assert halves is not None
        vectors = await encode(encoder, material.lines)
        texts = [split(text).texts(text) for text in material.messages[: sizes.search_messages]]
        units = [await encoder.encode(of_text, english=True) for of_text in texts]
        pair = load_scorer("packaged", encoder.fingerprint, halves)[0]
    finally:
        await encoder.close()
    first = load_scorer("packaged", await fingerprint_of(PACKAGED_MODEL))[0]
    said = [[*map(stems, of_text)] for of_text in texts]
    figures: Figures = {}
    for agents in sizes.search_agents:
        say(f"pair: {agents} agents")
        roster = make_roster(material, vectors, agents, halves=halves)
        figures |= _one_roster(roster, (first, pair), units, said, agents)
    return figures


def _one_roster(
    roster: Roster,
    scorers: tuple[Scorer, Scorer],
    units: Sequence[Floats],
    said: Sequence[list[tuple[str, ...]]],
    agents: int,
) -> Figures:
    first, pair = scorers
    assert pair.halves is not None
    english = pair.halves[0]
    of_first, of_pair = SiteIndex(first, english), SiteIndex(pair, sum(pair.halves))
    for number in range(len(roster)):
        agent = roster.agent(number, online=True)
        of_first.put(agent, roster.vectors[number, :, :english])
        of_pair.put(agent, roster.vectors[number])
    times: dict[str, list[float]] = {arm: [] for arm in ARMS}
    met: dict[str, list[float]] = {arm: [] for arm in ARMS}
    again = []
    for vectors, of_units in zip(units, said, strict=True):
        other = vectors.copy()
        other[:, :english] = 0
        queries = {"first": vectors[:, :english].copy(), "pair": vectors, "other": other}
        for arm, own in queries.items():
            index = of_first if arm == "first" else of_pair
            taken, triples = _search(index, Query(own, of_units))
            times[arm].append(taken)
            met[arm].append(triples)
        again.append(_search(of_first, Query(queries["first"], of_units))[0])
    name = f"{agents // 1000}k" if agents >= 1000 else str(agents)
    figures: Figures = a_a(f"pair_{name}", times["first"], again)
    for arm in ARMS:
        figures[f"pair_search_ms_{name}_{arm}"] = 1000 * estimate(times[arm]).median
        figures[f"pair_search_met_{name}_{arm}"] = estimate(met[arm]).median
    for arm in ARMS[1:]:
        figures |= ratio(times[arm], times["first"]).figures(f"pair_search_{name}_{arm}_over_first")
    return figures


def _search(index: SiteIndex, query: Query) -> tuple[float, int]:
    """Return the CPU seconds of a search, the least of three, and how many interests the units met."""
    least, met = np.inf, 0
    for _ in range(3):
        start = time.thread_time()
        result = index.find(query, ANYONE, floor=FLOOR)
        least = min(least, time.thread_time() - start)
        met = len(result.evidence.cosine)
    return least, met


if __name__ == "__main__":
    run_alone(measure)
