"""Layout of texts in the model's input: laws that hold for any lengths."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from matcher.encoder.layout import (
    LONGEST_STATIC_ROW,
    MOST_TOKENS,
    TOKENS_PER_TEXT,
    Layout,
    PackedLayout,
    PaddedLayout,
    rounded,
    static_rows,
)

lengths_of_texts = st.lists(st.integers(1, 256), min_size=1, max_size=80)
short_texts = st.lists(st.integers(1, 30), min_size=1, max_size=80)


def chosen(layout: Layout, waiting: list[int]) -> list[int]:
    """Return the lengths of the next batch."""
    return [waiting[index] for index in layout.choose(waiting)]


@given(st.one_of(lengths_of_texts, short_texts), st.sampled_from([PackedLayout(), PaddedLayout()]))
def test_the_most_due_text_is_in_the_next_batch_whatever_else_waits(waiting: list[int], layout: Layout) -> None:
    """Nothing starves: the first is always chosen, and nothing is chosen twice."""
    indexes = layout.choose(waiting)
    assert indexes[0] == 0
    assert len(set(indexes)) == len(indexes)


@given(st.one_of(lengths_of_texts, short_texts))
def test_a_batch_is_bounded(waiting: list[int]) -> None:
    """So the next text waits for one bounded run at most: 128 tokens, or a single longer text."""
    batch = chosen(PackedLayout(), waiting)
    assert PackedLayout().arrange(batch).tokens <= max(MOST_TOKENS, rounded(batch[0]))


@given(st.one_of(lengths_of_texts, short_texts))
def test_no_two_texts_overlap(waiting: list[int]) -> None:
    """Each text has its own part of one row, inside the row."""
    batch = chosen(PackedLayout(), waiting)
    arrangement = PackedLayout().arrange(batch)
    taken: set[tuple[int, int]] = set()
    for length, (row, column) in zip(batch, arrangement.places, strict=True):
        places = {(row, at) for at in range(column, column + length)}
        assert row < arrangement.rows
        assert column + length <= arrangement.row_length
        assert not places & taken
        taken |= places
    assert len(batch) <= arrangement.tokens // TOKENS_PER_TEXT


def test_the_model_sees_only_a_few_shapes() -> None:
    """The runtime keeps megabytes for each shape: 20,000 batches of every length make at most twenty."""
    lengths = random.Random(1)
    shapes = set()
    waiting: list[int] = []
    for _ in range(20_000):
        spread = lengths.choice([5, 12, 40, 256])
        waiting += [lengths.randint(1, spread) for _ in range(lengths.randint(1, 40))]
        indexes = set(PackedLayout().choose(waiting))
        arrangement = PackedLayout().arrange([waiting[index] for index in sorted(indexes)])
        shapes.add((arrangement.rows, arrangement.row_length))
        waiting = [length for index, length in enumerate(waiting) if index not in indexes][:64]
    assert len(shapes) <= 20


def test_a_full_queue_of_chat_sentences_has_next_to_no_padding() -> None:
    """Sentences of 3 to 30 tokens, 64 of them waiting: 95 % of what is computed is text."""
    lengths = random.Random(2)
    waiting = [lengths.randint(3, 30) for _ in range(64)]
    text = computed = 0
    for _ in range(500):
        indexes = set(PackedLayout().choose(waiting))
        batch = [waiting[index] for index in sorted(indexes)]
        text, computed = text + sum(batch), computed + PackedLayout().arrange(batch).tokens
        waiting = [length for index, length in enumerate(waiting) if index not in indexes]
        waiting += [lengths.randint(3, 30) for _ in indexes]
    assert text / computed >= 0.95


@given(lengths_of_texts)
def test_texts_with_rows_of_their_own_are_about_equally_long(waiting: list[int]) -> None:
    """For models that cannot be packed: a batch stays within its tokens, and each text within its row."""
    batch = chosen(PaddedLayout(), waiting)
    arrangement = PaddedLayout().arrange(batch)
    assert len(batch) <= arrangement.rows < 2 * len(batch)
    assert max(batch) <= arrangement.row_length


@given(st.integers(1, 2_000), st.lists(st.integers(1, 256), min_size=1, max_size=80))
def test_every_row_that_is_offered_has_a_graph(max_length: int, waiting: list[int]) -> None:
    """Whatever the model's limit: no text that it reads needs a shape for which nothing was compiled."""
    rows = static_rows(max_length)
    waiting = [min(length, max_length) for length in waiting]
    layout = PackedLayout(rows)
    arrangement = layout.arrange(chosen(layout, waiting))
    assert arrangement.row_length in rows or max_length > LONGEST_STATIC_ROW
    assert all(row % TOKENS_PER_TEXT == 0 for row in rows)
    assert list(rows) == sorted(set(rows))
