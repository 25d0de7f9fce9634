"""Floor texts: what says nothing about a person is compared as a message is."""

from __future__ import annotations

from collections.abc import Sequence

from matcher.encoder import Priority, Vectors
from matcher.replica.floor_texts import floor_texts
from tests.state_machine.words import DIMENSION, WordEncoder

TWO = "My parcel is late. Where is it now?"
ONE = "My parcel is late."


class PairOfWords(WordEncoder):
    """Has two halves, the first of which is zero where the text is not English."""

    halves = (DIMENSION // 2, DIMENSION // 2)

    async def encode(
        self, texts: Sequence[str], *, english: bool | None = None, priority: Priority = Priority.ROUTE
    ) -> Vectors:
        """Encode texts."""
        vectors = await super().encode(texts, english=english, priority=priority)
        if not english:
            vectors[:, : self.halves[0]] = 0
        return vectors


async def test_a_pair_of_models_compares_a_text_of_two_sentences_as_a_whole_too() -> None:
    """The whole counts by the scorer's weight, in its second half alone; a scorer without one leaves it out."""
    two, one = await floor_texts(PairOfWords(), "en", [TWO, ONE])
    assert (two.has_whole, one.has_whole) == (True, False)
    query = two.query(0.6)
    assert [bool(unit[: PairOfWords.halves[0]].any()) for unit in query.units] == [True, True, False]
    assert query.weights == [1.0, 1.0, 0.6]
    assert query.stems[-1] == ()
    assert len(two.query(0).units) == len(two.query(0).stems) == 2
    assert two.query(0).weights is None
    assert len(one.query(0.6).units) == 1


async def test_one_model_compares_sentences_alone() -> None:
    """Its scorer has no weight of a whole, so the whole is not encoded."""
    (two,) = await floor_texts(WordEncoder(), "en", [TWO])
    assert not two.has_whole
