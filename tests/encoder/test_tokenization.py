"""Input of a run of the model: texts in one row, the same from the kernel and from numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from matcher.encoder.artifact import Manifest, Pooling
from matcher.encoder.protocols import Tokens
from matcher.encoder.tokenization import EMBEDDINGS, TOKENIZER, Arrays, Tokenization
from tests.affinity.test_kernels import numpy_alone

WORDS = 40
HIDDEN = 48
POOLINGS: tuple[Pooling, ...] = ("mean", "cls", "lasttoken")
texts = st.lists(st.lists(st.integers(0, WORDS - 1), min_size=1, max_size=24), min_size=1, max_size=6).filter(
    lambda drawn: sum(map(len, drawn)) <= 128
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the files of a tokenization: a tokenizer of a few words, and their vectors."""
    made = tmp_path_factory.mktemp("tokenization")
    Tokenizer(WordLevel({f"w{number}": number for number in range(WORDS)}, "w0")).save(str(made / TOKENIZER))
    np.save(made / EMBEDDINGS, np.random.default_rng(5).normal(size=(WORDS, HIDDEN)).astype(np.float16))
    return made


def tokenization(folder: Path, pooling: Pooling = "mean") -> Tokenization:
    """Open a tokenization for packed texts whose positions begin with 2."""
    manifest = Manifest(
        model="",
        fingerprint="",
        precision="int8",
        reason="",
        cosine=1.0,
        dimension=HIDDEN,
        max_length=256,
        pad_id=1,
        pad_left=False,
        lower_case=False,
        prompt="",
        packed=True,
        pooling=pooling,
        first_position=2,
        files={},
    )
    return Tokenization(folder, manifest)


def cut(*ids: int) -> Tokens:
    """Return a text of these tokens."""
    return Tokens("", ids, len(ids))


def test_two_texts_share_one_row_each_with_positions_of_its_own(folder: Path) -> None:
    """The rest of the row is padding: of no text, with the vector of the pad and in no mean."""
    arrays = tokenization(folder).arrays([cut(7, 8), cut(9)])
    vectors = np.load(folder / EMBEDDINGS).astype(np.float32)
    assert arrays["segments"].tolist() == [[1, 1, 2, *[0] * 21]]
    assert arrays["positions"].tolist() == [[2, 3, 2, *[2] * 21]]
    assert np.array_equal(arrays["embedded"][0], vectors[[7, 8, 9, *[1] * 21]])
    assert arrays["weights"].tolist() == [[0.5, 0.5, *[0.0] * 22], [0.0, 0.0, 1.0, *[0.0] * 21], *[[0.0] * 24] * 4]


@given(drawn=texts, pooling=st.sampled_from(POOLINGS))
@settings(max_examples=60, deadline=None)
def test_the_kernel_writes_the_same_as_numpy_over_any_content(
    folder: Path, drawn: list[list[int]], pooling: Pooling
) -> None:
    """For any texts and pooling, in arrays that still have another run's numbers, no bit differs."""
    packed = tokenization(folder, pooling)
    batch = [cut(*ids) for ids in drawn]
    with numpy_alone():
        plain = packed.arrays(batch)

    def used() -> Arrays:
        return {name: np.full_like(array, 7) for name, array in plain.items()}

    compiled = packed.arrays(batch, used())
    with numpy_alone():
        again = packed.arrays(batch, used())
    for name, array in plain.items():
        assert np.array_equal(array, compiled[name])
        assert np.array_equal(array, again[name])


@pytest.mark.parametrize("wrong", [cut(WORDS), cut(*[0] * 25)], ids=["unknown", "too long"])
def test_tokens_that_do_not_fit_are_refused_and_not_written_elsewhere(folder: Path, wrong: Tokens) -> None:
    """A token beyond the table or a text beyond its row raises an error: nothing is read or written out of bounds."""
    packed = tokenization(folder)
    short = packed.arrays([cut(1)])
    with pytest.raises((ValueError, IndexError)):
        packed.arrays([wrong], short)
