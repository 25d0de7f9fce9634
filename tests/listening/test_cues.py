"""Cues: which entries are found in a text, word for word or by stems, and what comes with the package."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from matcher.affinity.cue_index import CueIndex, Standing
from matcher.affinity.interest_lexicon import languages
from matcher.affinity.service_themes import packaged_sentences, packaged_themes, themes_text
from matcher.listening.listened_entries import of_package, of_site
from matcher.model.coverage import EntryKind

LEAST_THEMES = 100
LEAST_CUES = 3
LEAST_SENTENCES = 3


def test_a_cue_is_found_in_any_order_and_said_to_stand_as_a_phrase_as_a_word_or_by_its_stems() -> None:
    """All its words must be there: "not working" is no "working"."""
    english = CueIndex("en", [(0, "charged twice"), (1, "dating"), (2, "not working"), (3, "aed")])
    assert english.find("I was twice CHARGED for it.") == {0: Standing.PHRASE}
    assert english.find("They charge me twice") == {0: Standing.STEMS}
    assert english.find("We are dating") == {1: Standing.WORD}
    assert english.find("What is the date?") == {1: Standing.STEMS}
    assert english.find("It isn't working") == {2: Standing.PHRASE}
    assert english.find("It is working") == {}
    assert english.find("a parcel") == {}


def test_the_most_telling_cue_of_an_entry_says_how_the_entry_stands_in_a_text() -> None:
    """A phrase tells more than a word, and a word more than stems."""
    english = CueIndex("en", [(0, "dates"), (0, "refund"), (0, "full refund")])
    assert english.find("on that date a refund") == {0: Standing.WORD}
    assert english.find("a full refund on that date") == {0: Standing.PHRASE}


def test_languages_without_spaces_are_searched_by_signs_and_polish_by_the_beginnings_of_words() -> None:
    """No stemmer of Polish comes with the service: long words are cut to five letters."""
    japanese = CueIndex("ja", [(0, "返品"), (1, "猫"), (2, "返品したい")])
    assert japanese.find("この品を返品したい。猫が") == {0: Standing.WORD, 1: Standing.WORD, 2: Standing.PHRASE}
    assert CueIndex("zh", [(0, "退款")]).find("我要退款") == {0: Standing.WORD}
    assert CueIndex("pl", [(0, "reklamacja")]).find("Składam reklamację") == {0: Standing.STEMS}


@pytest.mark.parametrize("language", languages())
def test_each_language_has_the_same_themes_each_with_cues_and_an_own_list(language: str) -> None:
    """A hundred themes or more; no line of a file is no entry."""
    themes = packaged_themes(language)
    assert len(themes) >= LEAST_THEMES
    assert themes.keys() == packaged_themes("en").keys()
    assert len(themes) == len(themes_text(language).splitlines())
    assert [theme.id for theme in themes.values() if len(set(theme.cues)) < LEAST_CUES] == []


def test_each_theme_has_sentences_and_no_sentence_is_of_no_theme() -> None:
    """The sentences of a theme count in its vector."""
    sentences = packaged_sentences()
    assert sentences.keys() == packaged_themes("en").keys()
    assert [theme for theme, of_theme in sentences.items() if len(set(of_theme)) < LEAST_SENTENCES] == []
    entries = of_package()
    assert {entries.entries[number].key for number, _ in entries.sentences} == {f"t:{theme}" for theme in sentences}


def test_a_site_adds_entries_and_cues_of_its_own_and_a_wrong_line_is_named(tmp_path: Path) -> None:
    """Other sites have the packaged entries alone."""
    own = tmp_path / "acme"
    own.mkdir()
    lines = ["gift\tgifts\tcommon\tloyalty hamper", "hamper\thampers\tcommon\twicker lid", "no entry"]
    (own / "themes.en.tsv").write_text("\n".join(lines), "utf-8")
    with capture_logs() as logs:
        entries = of_site(tmp_path, "acme")
    assert [(entry["line"], entry["event"]) for entry in logs] == [(3, "a line of own entries is left out")]
    found = {entries.entries[number].key for number in entries.cues["en"].find("the loyalty hamper has a wicker lid")}
    assert {"t:gift", "t:hamper"} <= found
    assert of_site(tmp_path, "other") is of_package()
    kinds = [entry.kind for entry in entries.entries]
    assert kinds == sorted(kinds, key=[EntryKind.INTEREST, EntryKind.THEME].index)
    assert entries.digest != of_package().digest
