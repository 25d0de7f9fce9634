"""The places of the lexicon's interests in the map: neighbours of the model stay neighbours, in two dimensions.

`python -m benchmarks.interest_places` writes matcher/affinity/interests/places.txt. The places come with the package:
a site's map is drawn in the same way every day, by every process and under every model. A roster's interests are placed
among these landmarks, and nothing of the layout depends on the roster. Entries that the file has already keep their
places; a new entry gets a place among its neighbours. `--new` lays all entries out.

Stochastic neighbour embedding (van der Maaten and Hinton 2008), exact, begun from the two directions of the
largest variance; there is no chance in it.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.interest_lexicon import packaged
from matcher.affinity.landmarks import described, places
from matcher.config import load
from matcher.encoder import EncoderSettings, open_encoder
from matcher.replica.text_reading import TEXT_READING

Floats = NDArray[np.float64]

FILE: Final = Path("matcher/affinity/interests/places.txt")
NEIGHBOURS: Final = 18.0
"""The perplexity."""
STEPS: Final = 1_500
EARLY: Final = 250
"""Steps in which neighbours attract each other more strongly."""
BATCH: Final = 64


def laid_out(vectors: Floats, kept: dict[int, tuple[float, float]]) -> Floats:
    """Return a place [n, 2] within -1 to 1 for each vector; those in `kept`, by row, are where they were."""
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    close = _probabilities(2 - 2 * centred @ centred.T)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    plane = directions[:2] * np.sign(directions[:2][[0, 1], np.abs(directions[:2]).argmax(axis=1)])[:, None]
    at = centred @ plane.T
    at *= 1e-2 / at.std()
    moved, gains = np.zeros_like(at), np.ones_like(at)
    for step in range(STEPS):
        pull = close * (12 if step < EARLY else 1)
        apart = at[:, None] - at[None]
        near = 1 / (1 + (apart**2).sum(axis=2))
        np.fill_diagonal(near, 0)
        slope = 4 * np.einsum("ij,ijk->ik", (pull - near / near.sum()) * near, apart)
        gains = np.where(np.sign(slope) == np.sign(moved), gains * 0.8, gains + 0.2).clip(0.01)
        moved = (0.5 if step < EARLY else 0.8) * moved - len(at) / 12 * gains * slope
        at = at + moved
        at -= at.mean(axis=0)
    at = np.asarray(at / np.abs(at).max(), np.float64)
    return _beside(at, close, kept) if kept else at


def _beside(at: Floats, close: Floats, kept: dict[int, tuple[float, float]]) -> Floats:
    """Return the kept places, and for every other row the mean of its closest kept neighbours' places."""
    rows = np.array(sorted(kept))
    where = np.array([kept[int(row)] for row in rows])
    placed = at.copy()
    for row in range(len(at)):
        weights = close[row, rows]
        best = np.argsort(-weights)[:4]
        placed[row] = kept.get(row) or np.average(where[best], axis=0, weights=weights[best] + 1e-12)
    return placed


def _probabilities(distances: Floats) -> Floats:
    """Return how close every two rows are, with the same number of effective neighbours for all."""
    rows = len(distances)
    close = np.zeros((rows, rows))
    for row in range(rows):
        low, high, beta = 0.0, np.inf, 1.0
        others = np.delete(distances[row], row)
        for _ in range(64):
            weights = np.exp(-(others - others.min()) * beta)
            weights /= weights.sum()
            entropy = float(-(weights * np.log(weights + 1e-300)).sum())
            if abs(entropy - np.log(NEIGHBOURS)) < 1e-5:
                break
            if entropy > np.log(NEIGHBOURS):
                low, beta = beta, beta * 2 if high == np.inf else (beta + high) / 2
            else:
                high, beta = beta, (beta + low) / 2
        close[row] = np.insert(weights, row, 0.0)
    return (close + close.T) / (2 * rows)


async def _encoded() -> Floats:
    settings = load({})
    encoder = await open_encoder(
        EncoderSettings(cache_dir=settings.models_dir, model=settings.model), print, reading=TEXT_READING
    )
    try:
        texts = described()
        parts = [await encoder.encode(texts[at : at + BATCH], english=True) for at in range(0, len(texts), BATCH)]
    finally:
        await encoder.close()
    return np.asarray(np.concatenate(parts), np.float64)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--new", action="store_true", help="lay all entries out, also those that have a place")
    ids = list(packaged("en"))
    before = {} if parser.parse_args().new else {entry: (x, y) for entry, x, y in places()}
    at = laid_out(asyncio.run(_encoded()), {row: before[entry] for row, entry in enumerate(ids) if entry in before})
    lines = [f"{entry}\t{x:.3f}\t{y:.3f}\n" for entry, (x, y) in zip(ids, at.tolist(), strict=True)]
    FILE.write_text("# The places of the entries in the map of interests: id, x, y within -1 to 1.\n" + "".join(lines))


if __name__ == "__main__":
    main()
