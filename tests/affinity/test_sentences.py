"""Laws of a message's units, for any message."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from matcher.affinity.sentences import MAX_UNITS, split

pieces = st.sampled_from(
    [
        "I hike",
        " ",
        ". ",
        "! ",
        "。",
        "।",
        "\r\n",
        ", ",
        "犬が好き",
        "मुझे कुत्ते",
        "🐶",
        "👩‍🚀",
        "…",
        "word " * 25,
        "x" * 90,
        "z.B. ",
        "3.5",
        "\u0301",
        "\u200d",
        "👋🏽",
        "ที่บ้าน",
        "هل؟ ",
        "3. Mai ",
        "| ",
    ]
)
messages = st.one_of(st.text(max_size=300), st.lists(pieces, max_size=80).map("".join))


@given(messages)
@example(
    "0\u0e000\u0e000\u0e000\u0e000\u0e470 0\u0e000\u0e000\u0e000\u10000\u3400"
)  # two windows that begin at one accent
def test_units_are_in_order_and_cover_all_of_the_text(text: str) -> None:
    """At most 32 units, none empty, each begins after the one before, and every character but spaces is in one."""
    units = split(text)
    assert len(units.spans) <= MAX_UNITS
    assert all(0 <= start < end <= len(text) for start, end in units.spans)
    starts = [span.start for span in units.spans]
    assert starts == sorted(set(starts))
    covered = {at for span in units.spans for at in range(*span)}
    assert all(character.isspace() or at in covered for at, character in enumerate(text))


@given(messages)
@example("0 " * 25 + "0" * 80 + "\u200d 0")  # a joiner that joins nothing
@example("0 " * 25 + "0" * 40 + " \u0301" + "0" * 40 + " 0")  # an accent on a space
def test_units_are_the_same_each_time_and_have_no_spaces_around(text: str) -> None:
    """The same text is split in the same way, and a unit begins and ends with a character that is no space."""
    assert split(text) == split(text)
    assert all(unit == unit.strip() for unit in split(text).texts(text))


@given(st.integers(33, 400))
def test_more_than_32_sentences_are_merged_and_marked_so(sentences: int) -> None:
    """Neighbours are merged, so that the last sentences are not lost."""
    text = "I hike. " * sentences
    units = split(text)
    assert (len(units.spans), units.merged) == (MAX_UNITS, True)
    assert units.spans[-1].end == len(text.rstrip())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi! I like dogs... And cats?", ["Hi!", "I like dogs...", "And cats?"]),
        ("Ich mag z.B. Dr. Brehms Tierleben. Du auch?", ["Ich mag z.B. Dr. Brehms Tierleben.", "Du auch?"]),
        ("¿Qué tal? ¡Me gusta bailar!", ["¿Qué tal?", "¡Me gusta bailar!"]),
        ("私は犬が好きです。山に登ります！「はい」", ["私は犬が好きです。", "山に登ります！", "「はい」"]),
        ("मुझे कुत्ते पसंद हैं। मैं दौड़ता हूँ॥ ठीक", ["मुझे कुत्ते पसंद हैं।", "मैं दौड़ता हूँ॥", "ठीक"]),
        ("So do I. It cost 3.50 at example.com today", ["So do I.", "It cost 3.50 at example.com today"]),
        ("one\r\ntwo\r\n\r\nthree", ["one", "two", "three"]),
        ("I ride. :) 🐎", ["I ride. :) 🐎"]),
        ("Ich wandere am 3. Oktober. Am 24.12. gab es Post.", ["Ich wandere am 3. Oktober.", "Am 24.12. gab es Post."]),
        ("Er rief „Hilfe!“ Dann kam ich.", ["Er rief „Hilfe!“", "Dann kam ich."]),
        ("Me gusta el cante, p. ej. en Jerez. ¿Y a ti?", ["Me gusta el cante, p. ej. en Jerez.", "¿Y a ti?"]),
        ("犬も好きですか?はい!山も", ["犬も好きですか?", "はい!", "山も"]),
        ("３．５キロ走ります．山も", ["３．５キロ走ります．", "山も"]),
        ("「楽しい。」と言った", ["「楽しい。」", "と言った"]),
        ("मैं गाता हूँ| मैं दौड़ता हूँ |", ["मैं गाता हूँ|", "मैं दौड़ता हूँ |"]),
        ("أحب الخيول، وأنت؟ نعم! شكرا", ["أحب الخيول، وأنت؟", "نعم!", "شكرا"]),
        ("אני אוהב לטייל. ומה איתך?", ["אני אוהב לטייל.", "ומה איתך?"]),
        ("제 소포가 안 왔어요. 등산을 해요!", ["제 소포가 안 왔어요.", "등산을 해요!"]),
        ("We hike!🏔️ And sail 👩‍👩‍👧‍👦.", ["We hike!", "🏔️ And sail 👩‍👩‍👧‍👦."]),
        ("Cafe\u0301 ist toll. Pin\u0303atas auch", ["Cafe\u0301 ist toll.", "Pin\u0303atas auch"]),
        ("\u202bنعم. لا\u202c!", ["\u202bنعم.", "لا\u202c!"]),
        ("🐎", ["🐎"]),
        (" \r\n ", []),
    ],
)
def test_sentences_are_units_in_every_script(text: str, expected: list[str]) -> None:
    """English, German, Spanish, Japanese, Hindi, Korean, right-to-left scripts, line ends, combining accents, emoji."""
    assert split(text).texts(text) == expected


def test_text_without_punctuation_is_split_into_windows() -> None:
    """Overlapping windows of twelve words let each remark be compared by itself."""
    text = " ".join(f"word{number}" for number in range(30))
    assert [len(unit.split()) for unit in split(text).texts(text)] == [12, 12, 12, 12]


@pytest.mark.parametrize(
    "text",
    [
        "犬" * 10_000,
        "私は犬が好きで毎朝公園を散歩していますそれから猫も飼っていて名前はタマですそして週末には家族と一緒に山へ登る",
        "ฉันชอบปีนเขาและเลี้ยงสุนัขสองตัวที่บ้านและชอบทำอาหารไทยรสเผ็ดมากๆทุกวันหยุดสุดสัปดาห์กับครอบครัว",
        "x" * 10_000,
        "👩‍👩‍👧‍👦" * 1_500,
        "👋🏽" * 5_000,
        "e\u0301" * 5_000,
    ],
)
def test_text_without_spaces_is_split_into_windows_that_cut_no_sign(text: str) -> None:
    """Ten thousand characters of any script are a few units; none begins or ends inside an accent or an emoji."""
    units = split(text)
    assert 2 <= len(units.spans) <= MAX_UNITS
    edges = {edge for span in units.spans for edge in span}
    inside = {"\u200d", "\u0301", "🏽", "\ufe0f"}
    assert not [edge for edge in edges if edge < len(text) and text[edge] in inside]
    assert not [edge for edge in edges if 0 < edge < len(text) and text[edge - 1] == "\u200d"]
    assert not [edge for edge in edges if edge < len(text) and unicodedata.category(text[edge]) in {"Mn", "Mc"}]


def test_piled_accents_keep_windows_apart() -> None:
    """Windows begin apart and in order, however many accents a sign has."""
    text = ("e" + "\u0301" * 500) * 100
    spans = split(text).spans
    assert [span.start for span in spans] == sorted({span.start for span in spans})


def test_a_sentence_with_commas_stays_whole() -> None:
    """A writer who sets commas ends sentences, too."""
    text = "I'm a trail runner and this season is all about one race, a hundred kilometres over the passes in the Alps."
    assert split(text).texts(text) == [text]
