"""Service themes: what customers want of any company's service, each with cues by which a text brings the theme up."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from matcher.affinity.interest_lexicon import Entry, languages, read_lexicon

SENTENCES: Final = "sentences.en.tsv"
"""The file of sentences: a line a theme, of its id and sentences, between tabs."""


@cache
def packaged_themes(language: str) -> Mapping[str, Entry]:
    """Return the themes by id that come with the package in a language; none in a language without a lexicon."""
    return read_lexicon(themes_text(language)).entries if language in languages() else {}


def themes_text(language: str) -> str:
    """Return the file of the themes of a language that has a lexicon, as `read_lexicon` reads it."""
    return (resources.files("matcher.affinity") / "themes" / f"{language}.tsv").read_text("utf-8")


@cache
def packaged_sentences() -> Mapping[str, tuple[str, ...]]:
    """Return by theme the English sentences of customers that come with the package, for the theme's vector."""
    text = (resources.files("matcher.affinity") / "themes" / SENTENCES).read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return {theme: tuple(sentences) for theme, *sentences in rows}
