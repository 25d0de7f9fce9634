"""A sentence of small talk is no unit, an interest that is small talk counts nothing, and emoji mean what they show."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from matcher.affinity.comparable import comparable, comparable_interests
from matcher.affinity.compared import compared_units
from matcher.affinity.emoji_names import named
from matcher.affinity.language import LANGUAGES
from matcher.affinity.set_aside import read
from matcher.affinity.small_talk import EXACT, SmallTalk, packaged_sentences
from matcher.model import AsideKind, Message, Requirements

PACKAGED = SmallTalk.of_pool(())
LEAST_SENTENCES = 60


def all_known(texts: Sequence[str]) -> list[list[tuple[int, int]]]:
    """Stand for a model that knows every word."""
    return [[] for _ in texts]


def thai_unknown(texts: Sequence[str]) -> list[list[tuple[int, int]]]:
    """Stand for a model that knows no Thai."""
    return [[(at, at + 1) for at, sign in enumerate(text) if "\u0e00" <= sign <= "\u0eff"] for text in texts]


def test_the_file_has_sixty_sentences_in_each_language_that_is_identified() -> None:
    """Every language has enough sentences for a 95th percentile."""
    languages = {name: of_it for name, of_it in packaged_sentences().items() if name != EXACT}
    assert sorted(languages) == sorted(LANGUAGES)
    assert min(map(len, languages.values())) >= LEAST_SENTENCES
    for sentences in languages.values():
        assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize(
    "text",
    [
        "Hi!",
        "hi 👋",
        "VIELEN DANK!!!",
        "ich habe eine Frage",
        "谢谢",
        "我的包裹在哪里？",
        "Wo ist mein Paket?",
        "¿Dónde está mi pedido?",
        "ありがとうございます。",
        "¿HAY NOVEDADES?",
        "👍👍🏽",
        "Thanks a lot :)",
    ],
)
def test_small_talk_is_recognised_up_to_case_punctuation_and_emoji(text: str) -> None:
    """What is written is the same sentence."""
    assert PACKAGED.is_one(text)


@pytest.mark.parametrize(
    "text", ["hi, my bees swarm", "thanks for the saxophone", "", " ", "Danke für die Bienen", "🎷"]
)
def test_a_sentence_with_a_topic_is_no_small_talk(text: str) -> None:
    """A greeting with more behind it is compared."""
    assert not PACKAGED.is_one(text)


def test_small_talk_and_unknown_sentences_are_set_aside_and_the_rest_is_compared() -> None:
    """The places of what is set aside point into the customer's text."""
    text = "Hi! My bees swarm. ผึ้งของฉันบินหนีไปแล้ว\nThanks a lot."
    compared = compared_units(read(Message(text, "", Requirements())), thai_unknown, PACKAGED)
    assert compared.texts == ["My bees swarm."]
    assert [text[start:end] for start, end in compared.units.spans] == ["My bees swarm."]
    assert [(part.kind, text[part.start : part.end]) for part in compared.units.set_aside] == [
        (AsideKind.SMALL_TALK, "Hi!"),
        (AsideKind.UNKNOWN, "ผึ้งของฉันบินหนีไปแล้ว"),
        (AsideKind.SMALL_TALK, "Thanks a lot."),
    ]


def test_a_pool_has_sentences_of_its_own() -> None:
    """They count beside the packaged ones, for this pool alone."""
    own = SmallTalk.of_pool(("Beam me up!",))
    assert own.is_one("beam me up")
    assert own.is_one("hello")
    assert not PACKAGED.is_one("beam me up")


def test_emoji_mean_what_they_show() -> None:
    """An emoji is compared by its name, whatever the tone of its skin; other texts are compared as they stand."""
    assert named("🎷🎺🥁").split() == ["saxophone", "trumpet", "drum"]
    assert named("👍🏽") == "thumbs up"
    assert named("I like 👩‍💻 and ❤️").split() == ["I", "like", "woman", "technologist", "and", "red", "heart"]
    for text in ("no emoji", "ä → ö ™ © 1️⃣", "日本語"):
        assert named(text) == text


def test_unknown_words_are_taken_out_and_a_text_of_nothing_else_is_empty() -> None:
    """What a model does not know is never compared."""
    assert comparable(["bees สวัสดี hive", "สวัสดี!", "bees"], thai_unknown) == ["bees hive", "", "bees"]


def test_an_interest_that_is_small_talk_says_nothing() -> None:
    """Nobody is met by a greeting."""
    assert comparable_interests(["Hello!", "I keep bees", "👍", "🎷"], all_known) == [
        "",
        "I keep bees",
        "",
        "saxophone",
    ]
