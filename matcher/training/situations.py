"""Situations: messages as customers write them, each with an interest implied by a thing of the interest lexicon.

A frame is a sentence or two about a support matter with a place for a cue: "{cue} arrived broken. Want my money back."
Frames are written by language, not translated (`frames/`); an entry's cues fill them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from matcher.affinity.interest_lexicon import Entry, languages, packaged

CUE: Final = "{cue}"
SECOND_CUE: Final = "{cue2}"


@dataclass(frozen=True, slots=True)
class Situation:
    """A message in a language, and the id of the lexicon's entry that it implies."""

    text: str
    language: str
    entry: str


@cache
def frames(language: str) -> tuple[str, ...]:
    """Return the frames of a language; none where it has none."""
    file = resources.files("matcher.training") / "frames" / f"{language}.txt"
    return tuple(file.read_text("utf-8").splitlines()) if file.is_file() else ()


def shared_entries() -> dict[str, list[Entry]]:
    """Return by language, of those with frames, the entries that every language has, in one order."""
    spoken = [language for language in languages() if frames(language)]
    shared = set.intersection(*(set(packaged(language)) for language in spoken))
    return {language: [packaged(language)[entry] for entry in sorted(shared)] for language in spoken}


def situations(an_entry: int, seed: int) -> Iterator[Situation]:
    """Yield `an_entry` situations of each entry that every language has, in each language; the same for a seed."""
    for language, entries in shared_entries().items():
        chance = random.Random(f"{seed} {language}")  # noqa: S311 - chooses examples, keeps no secret
        for entry in entries:
            for frame in chance.sample(frames(language), min(an_entry, len(frames(language)))):
                first, second = chance.sample(entry.cues, 2)
                yield Situation(_filled(frame, first, second), language, entry.id)


def _filled(frame: str, first: str, second: str) -> str:
    text = frame.replace(CUE, first).replace(SECOND_CUE, second)
    return text[:1].upper() + text[1:]
