"""Service themes: what customers want of any company's service, each with cues by which a text brings the theme up."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from matcher.affinity.interest_lexicon import Entry, languages, read_lexicon


@cache
def packaged_themes(language: str) -> Mapping[str, Entry]:
    """Return the themes by id that come with the package in a language; none in a language without a lexicon."""
    return read_lexicon(themes_text(language)).entries if language in languages() else {}


def themes_text(language: str) -> str:
    """Return the file of the themes of a language that has a lexicon, as `read_lexicon` reads it."""
    return (resources.files("matcher.affinity") / "themes" / f"{language}.tsv").read_text("utf-8")
