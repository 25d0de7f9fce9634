"""Absolute floors: measured once for a model and a scorer, kept in a file, and the same for all processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from matcher.affinity.interest_stock import interest_stock
from matcher.affinity.language import LANGUAGES
from matcher.affinity.scorer import Scorer
from matcher.affinity.small_talk import packaged_sentences, support_texts
from matcher.encoder import Priority, Vectors
from matcher.index import SiteIndex
from matcher.model import DEFAULT_POOL
from matcher.replica.absolute_floors import AbsoluteFloors
from matcher.replica.affinity_floors import AffinityFloors
from tests.state_machine.words import DIMENSION, WordEncoder


class CountingEncoder(WordEncoder):
    """Counts the texts that were encoded."""

    def __init__(self) -> None:
        self.encoded = 0

    async def encode(
        self, texts: Sequence[str], *, english: bool | None = None, priority: Priority = Priority.ROUTE
    ) -> Vectors:
        """Encode texts."""
        assert priority is Priority.PROFILE
        self.encoded += len(texts)
        return await super().encode(texts, english=english, priority=priority)


def files(folder: Path) -> list[Path]:
    """Return what a folder holds."""
    return list(folder.iterdir())


async def test_floors_are_measured_once_for_a_model_and_a_scorer(tmp_path: Path) -> None:
    """The second process reads what the first measured, and encodes nothing; another scorer is measured by itself."""
    first, second = CountingEncoder(), CountingEncoder()
    measured = await AbsoluteFloors(first, tmp_path).of(Scorer())
    assert set(measured.by_language) == set(LANGUAGES)
    assert first.encoded > len(interest_stock())
    floors = AbsoluteFloors(second, tmp_path)
    assert await floors.of(Scorer()) == measured
    assert second.encoded == 0
    assert await floors.of(replace(Scorer(), threshold=0.6)) != measured
    assert second.encoded == first.encoded
    assert await AbsoluteFloors(CountingEncoder(), tmp_path).of(Scorer()) == measured


async def test_a_stock_that_is_kept_serves_every_scorer(tmp_path: Path) -> None:
    """An evaluation by folds encodes the stock once."""
    encoder = CountingEncoder()
    floors = AbsoluteFloors(encoder, tmp_path, keep_stock=True)
    await floors.of(Scorer())
    once = encoder.encoded
    await floors.of(replace(Scorer(), threshold=0.6))
    assert encoder.encoded == once


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"a": 1}'])
async def test_a_broken_file_is_measured_again(tmp_path: Path, broken: bytes) -> None:
    """A file that another program cut short is no reason not to start."""
    measured = await AbsoluteFloors(CountingEncoder(), tmp_path).of(Scorer())
    (file,) = files(tmp_path)
    file.write_bytes(broken)
    encoder = CountingEncoder()
    assert await AbsoluteFloors(encoder, tmp_path).of(Scorer()) == measured
    assert encoder.encoded > 0


async def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    """The floors hold, the log says that they are not kept, and nothing half-written is left."""
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with capture_logs() as logs:
        floors = await AbsoluteFloors(CountingEncoder(), blocked).of(Scorer())
    assert floors.unknown == min(floors.by_language.values())
    assert [entry["log_level"] for entry in logs if "not kept" in entry["event"]] == ["warning"]
    assert files(tmp_path) == [blocked]


async def test_a_pool_without_agents_has_the_absolute_floors(tmp_path: Path) -> None:
    """However small the team, small talk meets nobody."""
    encoder = CountingEncoder()
    absolute = AbsoluteFloors(encoder, tmp_path)
    floors = await AffinityFloors.open(encoder, absolute)
    await floors.prepare(Scorer())
    index = SiteIndex(Scorer(), DIMENSION)
    assert await floors.of(index, DEFAULT_POOL) == await absolute.of(index.scorer)
    await floors.close()


class Counted(Scorer):
    """Counts how often its map is hashed."""

    hashed = 0

    @property
    def fingerprint(self) -> str:
        """Return the scorer's own, and count."""
        Counted.hashed += 1
        return Scorer().fingerprint


async def test_a_thousand_pools_of_one_scorer_hash_its_map_no_more_often_than_the_first(tmp_path: Path) -> None:
    """Each pool that is written asks for the absolute floors, and a map of megabytes takes milliseconds to hash."""
    absolute, scorer = AbsoluteFloors(CountingEncoder(), tmp_path), Counted()
    first = await absolute.of(scorer)
    hashed = Counted.hashed
    assert all([await absolute.of(scorer) is first for _ in range(1_000)])
    assert Counted.hashed == hashed


def test_every_language_has_support_texts_that_are_no_small_talk() -> None:
    """Support texts are longer than small talk, each once, and in every language that is identified."""
    texts = support_texts()
    assert set(texts) == set(LANGUAGES)
    known = {sentence for of_language in packaged_sentences().values() for sentence in of_language}
    for of_language in texts.values():
        assert len(set(of_language)) == len(of_language) >= 20
        assert known.isdisjoint(of_language)
