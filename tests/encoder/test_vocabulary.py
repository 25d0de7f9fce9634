"""The vocabulary of a model: which words its tokenizer does not know, and where they stand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from matcher.encoder.vocabulary import TokenizerVocabulary


def word_piece(*, signs: str = "abcdefghijklmnopqrstuvwxyz0123456789") -> TokenizerVocabulary:
    """Return a vocabulary that knows these signs alone and inside of words, all punctuation, and "bee"."""
    punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    words = ["[UNK]", "bee", *signs, *punctuation, *(f"##{sign}" for sign in signs)]
    vocabulary: Any = {word: number for number, word in enumerate(dict.fromkeys(words))}
    tokenizer: Any = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return TokenizerVocabulary(tokenizer)


def test_unknown_words_are_found_at_their_places() -> None:
    """The places are code points of the text as it was given, with its accents and capitals."""
    texts = ["Bées สวัสดี and жук!", "bees", "", "a" * 101]
    unknown = word_piece().unknown(texts)
    assert [[text[start:end] for start, end in places] for text, places in zip(texts, unknown, strict=True)] == [
        ["สวัสดี", "жук"],
        [],
        [],
        ["a" * 101],
    ]


@given(st.text(st.characters(max_codepoint=127), max_size=150))
def test_a_text_of_ascii_is_judged_as_the_tokenizer_judges_it(text: str) -> None:
    """The short cut for ASCII changes no answer."""
    quick, slow = word_piece(), word_piece()
    slow._knows_ascii = False
    assert quick.unknown([text]) == slow.unknown([text])


def test_a_vocabulary_that_lacks_a_letter_is_asked_for_every_text() -> None:
    """Not every model knows all of ASCII."""
    assert word_piece(signs="abc").unknown(["abd"]) == [[(0, 3)]]


@pytest.mark.parametrize("model", [models.BPE({"a": 0}, []), models.Unigram([("a", 0.0)])], ids=["BPE", "Unigram"])
def test_a_model_without_unknown_words_knows_every_text(model: Any) -> None:
    """A model of bytes has no token for the unknown."""
    assert TokenizerVocabulary(Tokenizer(model)).unknown(["สวัสดี"]) == [[]]
