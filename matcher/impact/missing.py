"""Missing outcomes: who gave no answer in which arm and band, and how far they could move a difference."""

from __future__ import annotations

from typing import Final

import numpy as np

from matcher.impact.rows import BANDS, Columns
from matcher.impact.sequence import ALPHA, Floats, multiplier, path
from matcher.model.impact import Missing

LEAST_GAP: Final = 0.02
"""A difference of missing shares below two points is not warned of, however surely it is there."""


def missing(contacts: Columns, values: Floats) -> Missing:
    """Return who is missing of an outcome; values: NaN where a contact has none."""
    absent = np.isnan(values)
    treated, weights = contacts.treated, contacts.weights
    present_bands = [number for number in range(len(BANDS)) if (contacts.band == number).any()]
    level = ALPHA / max(1, len(present_bands))
    uneven = tuple(
        BANDS[number]
        for number in present_bands
        if _differs(absent, contacts.band == number, np.ones(len(absent)), level)
    )
    return Missing(
        treatment=_share(absent[treated]),
        control=_share(absent[~treated]),
        differs_by_arm=_differs(absent, treated, weights, ALPHA),
        bands=tuple((BANDS[number], _share(absent[contacts.band == number])) for number in present_bands),
        uneven_bands=uneven,
    )


def worst_case(contacts: Columns, values: Floats, low: float, high: float) -> tuple[float, float]:
    """Return the least and the greatest difference of means, whatever those without an outcome would have said.

    C. Manski, "Nonparametric bounds on treatment effects", 1990. The bounds are for these contacts, without chance.
    """
    least, greatest = [], []
    for members in (contacts.treated, ~contacts.treated):
        weights, said = contacts.weights[members], values[members]
        total = weights.sum()
        known = float((weights * np.nan_to_num(said)).sum() / total)
        absent = float(weights[np.isnan(said)].sum() / total)
        least.append(known + absent * low)
        greatest.append(known + absent * high)
    return least[0] - greatest[1], greatest[0] - least[1]


def uneven_draw(contacts: Columns) -> tuple[float, float] | None:
    """Return the share of control contacts and the share that was drawn, where they differ by more than chance."""
    if not len(contacts):
        return None
    own = 1 / contacts.weights
    drawn = np.where(contacts.treated, 1 - own, own)
    found, expected = float((~contacts.treated).mean()), float(drawn.mean())
    information = float((drawn * (1 - drawn)).sum())
    if not information:
        return None
    reach = float(multiplier(np.array(information))) * np.sqrt(information) / len(contacts)
    return (found, expected) if abs(found - expected) > reach else None


def _differs(absent: np.ndarray, members: np.ndarray, weights: Floats, alpha: float) -> bool:
    along = path(absent.astype(np.float64), members, weights, (0, 1), alpha)
    if not len(along) or np.isnan(along.low[-1]):
        return False
    apart = along.low[-1] > 0 or along.high[-1] < 0
    return bool(apart and abs(along.difference[-1]) >= LEAST_GAP)


def _share(absent: np.ndarray) -> float:
    return float(absent.mean()) if len(absent) else 0.0
