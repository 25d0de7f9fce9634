"""How well listening hears: precision, recall and the readers' agreement on units that two readers labelled.

    python -m benchmarks.listening_quality UNITS READER_A READER_B

UNITS has a unit a line (`n`, `language`, `unit`, `message`), a reader's file `n`, `clear` and `also` (ids of entries).
An entry that is heard is right where the reader calls it clear or also; a clear one that is not heard is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from matcher.affinity.language import ENGLISH, language_of
from matcher.config import load
from matcher.encoder import EncoderSettings, open_encoder
from matcher.listening.entry_vectors import entry_vectors
from matcher.listening.hearing import Hearing
from matcher.listening.listened_entries import of_package
from matcher.replica.text_reading import TEXT_READING

Labels = Mapping[int, tuple[frozenset[str], frozenset[str]]]
"""By unit: the clear entries, and those that are clear or also right."""

BOOTSTRAPS: Final = 2_000


def lines(file: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]


def labels(file: Path) -> Labels:
    """Return what a reader labelled."""
    return {
        row["n"]: (frozenset(row["clear"]), frozenset((*row["clear"], *row.get("also", ())))) for row in lines(file)
    }


async def heard(units: Sequence[Mapping[str, Any]]) -> dict[int, frozenset[str]]:
    """Return what is heard in each unit, whose message's language is identified from the whole message."""
    settings = load({})
    encoder = await open_encoder(
        EncoderSettings(cache_dir=settings.models_dir, model=settings.model), print, reading=TEXT_READING
    )
    try:
        entries = of_package()
        hearing = Hearing(entries, await entry_vectors(encoder, entries, settings.models_dir))
        found = {}
        for unit in units:
            language = language_of(unit["message"], "")
            vectors = await encoder.encode([unit["unit"]], english=language == ENGLISH)
            numbers = hearing.find([unit["unit"]], vectors, language)
            found[unit["n"]] = frozenset(entries.entries[number].id for number in numbers)
        return found
    finally:
        await encoder.close()


def figures(found: Mapping[int, frozenset[str]], truth: Labels, units: Iterable[int]) -> tuple[float, float]:
    """Return precision and recall over some units."""
    right = said = hit = clear = 0
    for unit in units:
        of_unit, either = truth[unit]
        right += len(found[unit] & either)
        said += len(found[unit])
        hit += len(found[unit] & of_unit)
        clear += len(of_unit)
    return right / max(1, said), hit / max(1, clear)


def agreement(one: Labels, other: Labels) -> float:
    """Return the share of one reader's clear entries that the other reader has as clear or also, both ways."""
    shared = sum(len(one[unit][0] & other[unit][1]) + len(other[unit][0] & one[unit][1]) for unit in one)
    return shared / max(1, sum(len(one[unit][0]) + len(other[unit][0]) for unit in one))


def say(name: str, found: Mapping[int, frozenset[str]], truth: Labels, units: Sequence[int]) -> None:
    """Print precision and recall with the 95 % intervals of a bootstrap over units."""
    precision, recall = figures(found, truth, units)
    chance = np.random.default_rng(22)
    drawn = np.array([figures(found, truth, chance.choice(units, len(units))) for _ in range(BOOTSTRAPS)])
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    print(
        f"{name}: precision {precision:.1%} ({low[0]:.1%} to {high[0]:.1%}), "
        f"recall {recall:.1%} ({low[1]:.1%} to {high[1]:.1%}), {len(units)} units"
    )


def main(units_file: Path, reader_a: Path, reader_b: Path) -> None:
    """Print the figures against each reader, against what both say and either says, and by kind and language."""
    units, one, other = lines(units_file), labels(reader_a), labels(reader_b)
    units = [unit for unit in units if unit["n"] in one and unit["n"] in other]
    numbers = [unit["n"] for unit in units]
    one, other = ({n: reader[n] for n in numbers} for reader in (one, other))
    found = asyncio.run(heard(units))
    print(f"agreement of the readers: {agreement(one, other):.1%}")
    say("reader A", found, one, numbers)
    say("reader B", found, other, numbers)
    both = {n: (one[n][0] & other[n][0], one[n][1] | other[n][1]) for n in numbers}
    say("clear to both, right to either", found, both, numbers)
    for kind in ("INTEREST", "THEME"):
        ids = {entry.id for entry in of_package().entries if entry.kind == kind}
        kept = {n: found[n] & ids for n in numbers}
        say(kind.lower(), kept, {n: (both[n][0] & ids, both[n][1] & ids) for n in numbers}, numbers)
    for language in sorted({unit["language"] for unit in units}):
        say(language, found, both, [unit["n"] for unit in units if unit["language"] == language])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs=3, metavar="FILE", help="units, reader A, reader B")
    main(*parser.parse_args().files)
