"""Compiled kernels: each gives the same as its twin in numpy."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from matcher import kernels
from matcher.affinity.lexicon import MOST_STEMS, Lexicon
from matcher.affinity.scorer import Scorer
from matcher.index.kinds import kinds_of
from matcher.index.quantized_rows import QuantizedRows
from matcher.index.vector_table import VectorTable
from matcher.index.view import View
from tests.affinity.evidence import Meeting, evidence_of, meetings, unit_weights

SAME = 1e-12
seeds = st.integers(0, 2**32 - 1)
often = settings(max_examples=80, deadline=None)


@contextmanager
def numpy_alone() -> Iterator[None]:
    """Run without the compiled kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "compiled", None)
        yield


@given(found=meetings, threshold=st.sampled_from([0.0, 0.3]), weights=st.none() | unit_weights)
@often
def test_agents_score_the_same(found: list[Meeting], threshold: float, weights: list[float] | None) -> None:
    """The same agents for the same reasons; scores, affinities and breadths differ by rounding alone."""
    scorer, evidence = Scorer(threshold=threshold), evidence_of(found)
    weight = None if weights is None else np.array(weights, np.float32)[evidence.unit]
    compiled = scorer.score(evidence, weight)
    with numpy_alone():
        plain = scorer.score(evidence, weight)
    for field in fields(plain):
        one, other = getattr(compiled, field.name), getattr(plain, field.name)
        assert one.shape == other.shape
        assert np.abs(one - other).max(initial=0) <= (SAME if one.dtype == np.float64 else 0)


@given(
    scores=st.lists(st.integers(0, 30).map(lambda part: part / 10), min_size=1, max_size=60),
    seed=seeds,
    free=st.integers(0, 500),
    roster=st.integers(0, 500),
)
@often
def test_confidence_is_the_same(scores: list[float], seed: int, free: int, roster: int) -> None:
    """Also where several agents tie, where few agents were met, and for an agent behind all others."""
    random = np.random.default_rng(seed)
    score, breadth = np.array(scores), random.random(len(scores))
    at = random.permutation(len(scores))[:8]
    calibration = Scorer().calibration
    compiled = calibration.confidence(score, breadth, at, free, roster)
    with numpy_alone():
        plain = calibration.confidence(score, breadth, at, free, roster)
    assert np.abs(compiled - plain).max() <= SAME


@given(seed=seeds, pairs=st.integers(0, 300), dimension=st.sampled_from([1, 48, 384, 401]), mapped=st.booleans())
@often
def test_cosines_are_the_same(seed: int, pairs: int, dimension: int, mapped: bool) -> None:
    """They are equal up to the rounding of single floats, in any dimension, with a map and without."""
    random = np.random.default_rng(seed)
    table = VectorTable(dimension)
    vectors = random.normal(size=(40, dimension)) / np.sqrt(dimension)
    rows = table.add(0, vectors.astype(np.float16), [0] * 40)
    projected = table.projected(random.normal(size=(dimension, dimension)).astype(np.float32) if mapped else None)
    projected.prepare(rows)
    toward = projected.toward((random.normal(size=(3, dimension)) / np.sqrt(dimension)).astype(np.float32))
    unit, chosen = np.sort(random.integers(0, 3, pairs)), rows[random.integers(0, 40, pairs)]
    compiled = projected.cosines(toward, unit, chosen)
    with numpy_alone():
        plain = projected.cosines(toward, unit, chosen)
    assert np.abs(compiled - plain).max(initial=0) <= 2e-6 * max(1.0, float(np.abs(plain).max(initial=0)))
    alone = [projected.cosines(toward, unit[at : at + 1], chosen[at : at + 1])[0] for at in range(min(pairs, 20))]
    assert compiled[:20].tolist() == alone


@given(
    seed=seeds,
    rows=st.integers(1, 300),
    units=st.integers(0, 5),
    dimension=st.sampled_from([1, 48, 64, 384, 401]),
    threshold=st.sampled_from([-0.5, 0.0, 0.05, 0.3]),
    mapped=st.booleans(),
    only=st.sampled_from([None, 0.0, 0.1, 1.0]),
)
@often
def test_the_same_pairs_are_above_the_threshold(
    seed: int, rows: int, units: int, dimension: int, threshold: float, mapped: bool, only: float | None
) -> None:
    """For units of any length, one of them zeros, and rows of which some, all or none are admitted."""
    random = np.random.default_rng(seed)
    table = VectorTable(dimension)
    projected = table.projected(random.normal(size=(dimension, dimension)).astype(np.float32) if mapped else None)
    view = View(projected, dimension)
    for agent in range(rows):
        made = random.normal(size=(1 + agent % 3, dimension)) / np.sqrt(dimension)
        view.add(agent, table.add(agent, made.astype(np.float16), [0] * len(made)))
    for agent in range(0, rows, 7):
        view.drop(agent)
    queries = (random.normal(size=(units, dimension)) ** 3 / np.sqrt(dimension)).astype(np.float32)
    queries[:1] = 0
    toward = projected.toward(queries)
    admitted = None if only is None else random.random(len(view.owners)) < only
    compiled = view.above(toward, threshold, admitted)
    with numpy_alone():
        plain = view.above(toward, threshold, admitted)
    alone = [view.above(toward[number : number + 1], threshold, admitted) for number in range(units)]
    for part in (1, 2):
        assert compiled[part].tolist() == [one for by_one in alone for one in by_one[part].tolist()]
    near = 2e-6 * max(1.0, float(np.abs(plain[2]).max(initial=0)))
    computed, expected = _cosines(compiled), _cosines(plain)
    for pair in computed.keys() | expected.keys():  # a cosine at the threshold may be rounded to either side
        assert abs(computed.get(pair, threshold) - expected.get(pair, threshold)) <= near


@given(
    seed=seeds,
    rows=st.integers(1, 200),
    units=st.integers(0, 5),
    first=st.sampled_from([1, 40, 64, 384]),
    threshold=st.sampled_from([-0.5, 0.0, 0.05, 0.3]),
    others=st.sampled_from([-0.1, 0.0, 0.1, 0.25]),
    mapped=st.booleans(),
    only=st.sampled_from([None, 0.1]),
)
@often
def test_the_same_pairs_of_texts_in_several_languages_are_above_their_thresholds(
    seed: int, rows: int, units: int, first: int, threshold: float, others: float, mapped: bool, only: float | None
) -> None:
    """The vectors are of a pair of models; texts of both kinds, and without a second half, are among them."""
    random = np.random.default_rng(seed)
    halves = (first, 48)
    dimension = sum(halves)

    def made(count: int) -> NDArray[np.float32]:
        vectors = random.normal(size=(count, dimension)) / np.sqrt(dimension)
        vectors[random.random(count) < 0.4, :first] = 0
        vectors[random.random(count) < 0.05, first:] = 0
        return np.asarray(vectors, np.float32)

    linear = random.normal(size=(dimension, dimension)).astype(np.float32)
    linear[:first, first:] = linear[first:, :first] = 0
    table = VectorTable(dimension)
    projected = table.projected(linear if mapped else None, halves)
    view = View(projected, dimension)
    for agent in range(rows):
        view.add(agent, table.add(agent, made(2).astype(np.float16), [0] * 2))
    for agent in range(0, rows, 7):
        view.drop(agent)
    queries = made(units)
    toward = projected.toward(queries)
    kinds = kinds_of(queries, toward, halves, others)
    admitted = None if only is None else random.random(len(view.owners)) < only
    compiled = view.above(toward, threshold, admitted, kinds)
    with numpy_alone():
        plain = view.above(toward, threshold, admitted, kinds)
    for number in range(units):
        one = slice(number, number + 1)
        own = kinds_of(queries[one], toward[one], halves, others)
        alone = view.above(toward[one], threshold, admitted, own)
        for part in (1, 2):
            assert compiled[part][compiled[0] == number].tolist() == alone[part].tolist()
    computed, expected = _cosines(compiled), _cosines(plain)
    for pair in computed.keys() | expected.keys():  # a cosine at its threshold may be rounded to either side
        both = bool(kinds.english[pair[0]]) and bool(table.vectors[pair[1], :first].any())
        at = threshold if both else others
        assert abs(computed.get(pair, at) - expected.get(pair, at)) <= 4e-6


@pytest.mark.parametrize("short_by", [1e-6, 1e-4, 1e-3, 5e-3])
def test_a_row_along_the_rounding_error_of_a_unit_is_met(short_by: float) -> None:
    """Every component of the unit is rounded down by half a level; the row, not rounded, adds up these errors."""
    unit = np.full(64, 10.49 / 127)
    unit[0] = 1.0
    toward = (unit / np.linalg.norm(unit))[None].astype(np.float32)
    table = VectorTable(64)
    view = View(table.projected(None), 64)
    view.add(0, table.add(0, np.full((1, 64), 0.11102294921875, np.float16), [0]))
    (cosine,) = view.above(toward, 0.0, None)[2].tolist()
    assert len(view.above(toward, cosine - short_by, None)[2]) == 1
    with numpy_alone():
        assert len(view.above(toward, cosine - short_by, None)[2]) == 1


def test_a_scan_that_releases_the_interpreter_lock_meets_the_same_pairs() -> None:
    """A hundred and fifty thousand pairs, of which tens of thousands are near the threshold."""
    random = np.random.default_rng(1)
    table, rows = VectorTable(8), random.normal(size=(30_000, 8)) / np.sqrt(8)
    view = View(table.projected(None), 8)
    view.fill(np.arange(30), [table.add(agent, rows[agent::30].astype(np.float16), [0] * 1_000) for agent in range(30)])
    toward = (random.normal(size=(5, 8)) / np.sqrt(8)).astype(np.float32)
    compiled = _cosines(view.above(toward, 0.3, None))
    with numpy_alone():
        plain = _cosines(view.above(toward, 0.3, None))
    assert len(compiled) > 10_000
    for pair in compiled.keys() | plain.keys():
        assert abs(compiled.get(pair, 0.3) - plain.get(pair, 0.3)) <= 1e-5


def _cosines(met: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]) -> dict[tuple[int, int], float]:
    unit, row, cosine = (part.tolist() for part in met)
    assert unit == sorted(unit)
    return dict(zip(zip(unit, row, strict=True), cosine, strict=True))


@given(seed=seeds, pairs=st.integers(1, 100))
@often
def test_shared_words_weigh_the_same(seed: int, pairs: int) -> None:
    """For interests of many words and of none, and units that share some of them."""
    random = np.random.default_rng(seed)
    words = [f"word{number}" for number in range(60)]

    def some(most: int) -> list[str]:
        return [words[at] for at in random.permutation(len(words))[: random.integers(0, most)]]

    lexicon = Lexicon()
    handles = np.array([lexicon.add(some(MOST_STEMS + 4)) for _ in range(30)])
    units = [some(30) for _ in range(4)]
    unit, handle = random.integers(0, 4, pairs), handles[random.integers(0, 30, pairs)]
    compiled = lexicon.shared(units, unit, handle)
    with numpy_alone():
        plain = lexicon.shared(units, unit, handle)
    assert np.abs(compiled - plain).max() <= 1e-6


@given(seed=seeds, rows=st.integers(1, 40), dimension=st.sampled_from([1, 48, 384, 401]), mapped=st.booleans())
@often
def test_rows_are_scaled_and_coded_the_same(seed: int, rows: int, dimension: int, mapped: bool) -> None:
    """They are equal to the last bit, also rows whose factor is not computed yet."""
    random = np.random.default_rng(seed)
    table = VectorTable(dimension)
    made = (random.normal(size=(rows, dimension)) / np.sqrt(dimension)).astype(np.float16)
    places = table.add(0, made, [0] * rows)
    linear_map = random.normal(size=(dimension, dimension)).astype(np.float32) if mapped else None
    compiled, peak = table.projected(linear_map).scaled(places), 0.3

    def codes_of(vectors: NDArray[np.float32]) -> tuple[bool, list[list[int]]]:
        coded = QuantizedRows(dimension, peak)
        fits = coded.append(vectors)
        return fits, [part.tolist() for part in coded.may_exceed(vectors[:1], 0.0, None)]

    codes = codes_of(compiled)
    with numpy_alone():
        assert np.array_equal(compiled, table.projected(linear_map).scaled(places))
        assert codes == codes_of(compiled)
    assert codes[0] == (np.abs(compiled).max() <= peak)


def test_with_a_compiler_the_kernels_are_compiled() -> None:
    """`make setup` compiles them, so that no measurement runs on numpy by accident."""
    compiler = str(sysconfig.get_config_var("CXX") or "c++").split()[0]
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    assert kernels.compiled is not None or shutil.which(compiler) is None or not headers.exists()
