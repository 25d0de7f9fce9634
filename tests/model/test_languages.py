"""Languages: names and tags are understood, wrong ones get the nearest, and aliases and macrolanguages meet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langcodes.data_dicts import LANGUAGE_REPLACEMENTS, MACROLANGUAGES

from matcher.model.languages import LONGEST, found_under, looked_up, meets, nearest, several, tag_of


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("de", "de"),
        ("pt_BR", "pt_BR"),
        ("zh-Hans", "zh-Hans"),
        ("English", "en"),
        ("deutsch", "de"),
        ("français", "fr"),
        (" Norwegian ", "no"),
        ("中文", "zh"),
        ("Brazilian Portuguese", "pt-BR"),
        ("xx", ""),
        ("ua", ""),
        ("Engish", ""),
        ("", ""),
        ("e", ""),
        ("x" * (LONGEST + 1), ""),
    ],
)
def test_a_tag_is_taken_as_it_is_and_a_name_becomes_its_tag(written: str, tag: str) -> None:
    """A roster says "English" where the tag is "en"; "ua" is a country and no language."""
    assert tag_of(written) == tag


@pytest.mark.parametrize(
    ("written", "tags"),
    [
        ("English, German", ("en", "de")),
        ("en,de", ("en", "de")),
        ("de; en; fr", ("de", "en", "fr")),
        ("English/German", ("en", "de")),
        ("Deutsch und Englisch", ("de", "en")),
        ("英语、德语", ("en", "de")),
    ],
)
def test_a_text_that_names_several_languages_names_none(written: str, tags: tuple[str, ...]) -> None:
    """The library finds English in "English, German", and the unknown language "end" in "en,de"."""
    assert several(written) == tags
    assert tag_of(written) == ""


@pytest.mark.parametrize(
    ("written", "tag"),
    [("Chinese, Simplified", "zh"), ("Greek, Modern", "el"), ("English, en", "en"), ("Norwegian (Bokmål)", "nb")],
)
def test_a_name_with_a_comma_is_one_language(written: str, tag: str) -> None:
    """What stands beside the comma is no other language."""
    assert several(written) == ()
    assert tag_of(written) == tag


@pytest.mark.parametrize(
    ("written", "tag"),
    [("jp", "ja"), ("cz", "cs"), ("ua", "uk"), ("gr", "el"), ("Engish", "en"), ("Germn", "de"), ("xx", "")],
)
def test_a_wrong_language_gets_the_nearest(written: str, tag: str) -> None:
    """A country's code gives the country's language, a misspelt name the name that is meant."""
    assert nearest(written) == tag


@pytest.mark.parametrize(
    ("asked", "spoken", "met"),
    [
        ("no", "nb", True),
        ("nb", "no", True),
        ("nn", "nb", False),
        ("iw", "he", True),
        ("he", "iw", True),
        ("zh-Hans", "zh", True),
        ("zh", "zh-Hant-TW", True),
        ("yue", "zh", True),
        ("zh", "yue", True),
        ("yue", "cmn", False),
        ("deu", "de-AT", True),
        ("sh", "hr", True),
        ("hr", "sr", False),
        ("en", "de", False),
        ("en", "English", True),
    ],
)
def test_aliases_and_macrolanguages_meet(asked: str, spoken: str, met: bool) -> None:
    """A member meets its macrolanguage, both ways, and no other member; the store may hold a name from before."""
    assert meets(asked, spoken) is met


TAGS = st.sampled_from(sorted({*MACROLANGUAGES, *MACROLANGUAGES.values(), *LANGUAGE_REPLACEMENTS, "en", "de", "x-a"}))


@given(asked=TAGS, spoken=TAGS)
def test_the_names_of_the_index_say_the_same(asked: str, spoken: str) -> None:
    """For any two languages: an agent is found by the names exactly if the language is met."""
    assert (not set(found_under(spoken)).isdisjoint(looked_up(asked))) is meets(asked, spoken)


@pytest.mark.parametrize("written", ["\x00", "\x00Deutsch", "German\x00", "ab\x00cd"])
def test_a_text_with_a_nul_names_no_language(written: str) -> None:
    """The library would look such a name up in memory that is not its own."""
    assert tag_of(written) == ""
    assert several(written) == ()
