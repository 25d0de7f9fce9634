"""Scan of 8-bit codes: it misses no row, whatever the vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.index.quantized_rows import QuantizedRows
from matcher.index.vector_table import Rows, VectorTable, widen
from matcher.index.view import View
from tests.index.plain import Floats, unit_length
from tests.index.rosters import seeds, vectors

DIMENSION = 48


@given(seed=seeds, rows=st.integers(0, 200), threshold=st.sampled_from([-0.5, 0.0, 0.3, 0.9]), spiky=st.booleans())
@settings(max_examples=80, deadline=None)
def test_scan_returns_every_pair_above_the_threshold(seed: int, rows: int, threshold: float, spiky: bool) -> None:
    """Every pair above the threshold is returned, also where one component makes up all of a vector."""
    random = np.random.default_rng(seed)
    stored = unit_length(random.normal(size=(rows, DIMENSION)) ** (5 if spiky else 1) + 1e-9)
    units = unit_length(random.normal(size=(3, DIMENSION)) ** (5 if spiky else 1) + 1e-9)
    coded = QuantizedRows(DIMENSION, 1.0)
    coded.append(stored)
    unit, position = coded.may_exceed(units, threshold, None)
    returned = set(zip(unit.tolist(), position.tolist(), strict=True))
    expected = set(zip(*(at.tolist() for at in np.nonzero(units @ stored.T > threshold)), strict=True))
    assert expected <= returned


def test_scan_returns_few_pairs_that_are_not_above_the_threshold() -> None:
    """Of 384-dimensional vectors like a model's, no pair is returned that is more than 0.03 below."""
    made = vectors(1, 3000, 384)
    made = made[np.abs(made).max(axis=1) < 0.5]
    units, rows = made[:10], made[10:]
    coded = QuantizedRows(384, float(np.abs(rows).max()))
    coded.append(rows)
    unit, position = coded.may_exceed(units, 0.3, None)
    assert len(unit)
    assert (np.vecdot(units[unit], rows[position]) > 0.27).all()


def test_scan_compares_admitted_rows_only() -> None:
    """A row that is not admitted is not returned, however close it is."""
    rows = vectors(3, 100, DIMENSION)
    coded = QuantizedRows(DIMENSION, 1.0)
    coded.append(rows)
    admitted = np.zeros(100, np.bool_)
    admitted[[3, 64, 99]] = True
    unit, position = coded.may_exceed(rows[[3, 4, 99]], 0.99, admitted)
    assert {(0, 3), (2, 99)} <= set(zip(unit.tolist(), position.tolist(), strict=True))
    assert set(position.tolist()) <= {3, 64, 99}


def test_no_units_zero_units_and_no_rows_give_no_pairs() -> None:
    """No units, a unit of zeros or no rows give an empty result."""
    coded = QuantizedRows(DIMENSION, 1.0)
    for units in (vectors(1, 1, DIMENSION), np.zeros((1, DIMENSION), np.float32), np.zeros((0, DIMENSION), np.float32)):
        assert [len(part) for part in coded.may_exceed(units, 0.3, None)] == [0, 0]
    coded.append(vectors(1, 2, DIMENSION))
    assert [len(part) for part in coded.may_exceed(np.zeros((1, DIMENSION), np.float32), 0.3, None)] == [0, 0]


def test_a_component_larger_than_all_before_is_compared_correctly() -> None:
    """A vector along one axis joins vectors of small components: all are still met."""
    small, along = vectors(5, 9, 384), np.eye(384, dtype=np.float32)[:1]
    table = VectorTable(384)
    view = View(table.projected(None), 384)
    for agent, made in enumerate((small, along, small[:4])):
        view.add(agent, _add(table, agent, made))
    unit, row, cosine = view.above(np.concatenate([along, small[2:3]]), 0.9, None)
    met = {(u, int(table.agent[r]), int(table.interest[r])) for u, r in zip(unit.tolist(), row.tolist(), strict=True)}
    assert {(0, 1, 0), (1, 0, 2), (1, 2, 2)} <= met
    assert cosine.min() > 0.9


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_rows_keep_their_places_while_members_come_and_go(seed: int) -> None:
    """After any order of adding and dropping, a view has the rows of its members, each once, and no other."""
    random = np.random.default_rng(seed)
    table = VectorTable(DIMENSION)
    rows = [_add(table, agent, vectors(seed + agent, int(random.integers(1, 6)), DIMENSION)) for agent in range(20)]
    view, members = View(table.projected(None), DIMENSION), set[int]()
    for agent in random.integers(20, size=120).tolist():
        if agent in members:
            view.drop(agent)
        else:
            view.add(agent, rows[agent])
        members ^= {agent}
    assert set(view.members.tolist()) == members
    assert sorted(view.owners.tolist()) == sorted(agent for agent in members for _ in rows[agent])
    for agent in members:
        unit, row, cosine = view.above(widen(table.stored(rows[agent])), 0.999, None)
        own = {(at, int(place)) for at, place in enumerate(rows[agent])}
        assert own <= set(zip(unit.tolist(), row.tolist(), strict=True))
        assert cosine.min() > 0.999


def test_halves_are_widened_exactly() -> None:
    """Every finite half becomes the single of the same value."""
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)]
    assert np.array_equal(widen(finite), finite.astype(np.float32))


def test_a_cosine_is_the_same_to_the_last_bit_alone_and_among_others() -> None:
    """Computed alone, with a few or with hundreds of other pairs, a cosine has the same bits."""
    table = VectorTable(384)
    made = vectors(1, 700, 384)
    rows, units = _add(table, 0, made), made[:4]
    pairs = np.repeat(np.arange(4), 700), np.tile(rows, 4)
    together = table.projected(None).cosines(units, *pairs)
    for at in range(0, 2800, 97):
        assert together[at] == table.projected(None).cosines(units, pairs[0][at : at + 1], pairs[1][at : at + 1])[0]
    assert np.array_equal(
        together[1000:1200], table.projected(None).cosines(units, pairs[0][1000:1200], pairs[1][1000:1200])
    )
    assert together == pytest.approx((units @ made.T).ravel(), abs=2e-3)


@pytest.mark.parametrize("count", [1, 300, 5000])
def test_removed_rows_are_used_again(count: int) -> None:
    """Replacing interests again and again takes no more rows than there are interests."""
    table = VectorTable(DIMENSION)
    made = vectors(1, count, DIMENSION)
    for _ in range(3):
        added = _add(table, 0, made)
        assert np.array_equal(table.stored(added), made.astype(np.float16))
        assert added.max() < count
        table.remove(added)
    assert len(table) == 0


def _add(table: VectorTable, agent: int, made: Floats) -> Rows:
    return table.add(agent, made.astype(np.float16), list(range(len(made))))
