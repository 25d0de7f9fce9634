"""Interest lexicon: what the owners of an interest own, buy, break, say and live through, as cues of one to four words.

Not the `lexicon` of a roster's words, which weighs words that a message shares with an interest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from matcher.affinity.stop_words import STOP_WORDS

COLUMNS: Final = 4
KINDS: Final = ("common", "rare")
LEAST_CUES: Final = 25
MOST_WORDS: Final = 4
MOST_SHARING: Final = 3
"""Entries that may have the same cue: a cue of more entries tells too little about any of them."""
MOST_ENTRIES_OF_A_WORD: Final = 20
"""Entries in whose cues a word may stand that is a cue by itself: "rack" tells too little, "plate rack" does not."""

_ID: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SUFFIX: Final = ".tsv"


@dataclass(frozen=True, slots=True)
class Entry:
    """An interest: `common` where many people have it."""

    id: str
    name: str
    common: bool
    cues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a lexicon's file, by line, from 1."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a file: its entries by id, the line of each, and the lines that are no entry."""

    entries: Mapping[str, Entry]
    lines: Mapping[str, int]
    faults: tuple[Fault, ...]


def read_lexicon(text: str) -> Reading:
    """Read a lexicon: a line an entry, of id, name, `common` or `rare`, and cues divided by "; ", with tabs between.

    Empty lines and lines that begin with "#" are ignored. A line that is no entry is a fault, and is left out.
    """
    entries: dict[str, Entry] = {}
    lines: dict[str, int] = {}
    faults = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = [column.strip() for column in line.split("\t")]
        what = _wrong(columns) or ("id is used on an earlier line" if columns[0] in entries else "")
        if what:
            faults.append(Fault(number, what))
            continue
        identifier, name, kind, cues = columns
        entries[identifier] = Entry(identifier, name, kind == KINDS[0], tuple(cue.strip() for cue in cues.split(";")))
        lines[identifier] = number
    return Reading(entries, lines, tuple(faults))


def languages() -> tuple[str, ...]:
    """Return the languages that a lexicon comes with, by their tags, English first."""
    names = (file.name for file in (resources.files("matcher.affinity") / "interests").iterdir())
    tags = {name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)}
    return tuple(sorted(tags, key=lambda tag: (tag != "en", tag)))


@cache
def packaged(language: str) -> Mapping[str, Entry]:
    """Return the entries by id that come with the package in a language; none in a language without a lexicon."""
    return read_lexicon(packaged_text(language)).entries if language in languages() else {}


def packaged_text(language: str) -> str:
    """Return the file of a language that has a lexicon, as `read_lexicon` reads it."""
    return (resources.files("matcher.affinity") / "interests" / f"{language}{_SUFFIX}").read_text("utf-8")


def extended(base: Mapping[str, Entry], own: Mapping[str, Entry]) -> Mapping[str, Entry]:
    """Return a lexicon with a site's own entries: an own entry of a known id adds its cues, and its name holds."""
    joined = dict(base)
    for identifier, entry in own.items():
        known = joined.get(identifier)
        cues = (*known.cues, *entry.cues) if known else entry.cues
        joined[identifier] = Entry(identifier, entry.name, entry.common, tuple(dict.fromkeys(cues)))
    return joined


def check(reading: Reading, base: Mapping[str, Entry]) -> list[Fault]:
    """Return the faults of a file, by line: of its form, doubled cues, too general cues, and entries with too few.

    base: the lexicon that the file extends; it counts where cues are shared and where an entry has too few, but its own
    faults are not reported.
    """
    faults = list(reading.faults)
    joined = extended(base, reading.entries)
    sharing = Counter(_key(cue) for entry in joined.values() for cue in set(map(_key, entry.cues)))
    words = Counter(word for entry in joined.values() for word in _words(entry.cues))
    for identifier, entry in reading.entries.items():
        at = reading.lines[identifier]
        known = {_key(cue) for cue in base[identifier].cues} if identifier in base else set()
        for cue in entry.cues:
            key = _key(cue)
            if key in known:
                faults.append(Fault(at, f"{identifier}: the cue {cue!r} is there twice"))
            elif sharing[key] > MOST_SHARING:
                faults.append(Fault(at, f"{identifier}: {sharing[key]} entries have the cue {cue!r}"))
            elif key in STOP_WORDS:
                faults.append(Fault(at, f"{identifier}: the cue {cue!r} is too general: it stands in any text"))
            elif words[key] > MOST_ENTRIES_OF_A_WORD:
                what = f"the cue {cue!r} is too general: it stands in cues of {words[key]} entries"
                faults.append(Fault(at, f"{identifier}: {what}"))
            known.add(key)
        if (held := len(joined[identifier].cues)) < LEAST_CUES:
            faults.append(Fault(at, f"{identifier}: the number of cues is {held}; {LEAST_CUES} are the least"))
    return sorted(faults, key=lambda fault: fault.line)


def _wrong(columns: list[str]) -> str:
    """Return what is wrong with the columns of a line; "" for an entry."""
    if len(columns) != COLUMNS:
        return f"has {len(columns)} columns; an entry has {COLUMNS}, with tabs between: id, name, common or rare, cues"
    identifier, name, kind, cues = columns
    of_cues = [cue.strip() for cue in cues.split(";")]
    longest = max(of_cues, key=lambda cue: len(cue.split()))
    faults = {
        "id must be lower-case letters a to z and digits, with hyphens between": not _ID.fullmatch(identifier),
        "name is empty": not name,
        'the third column must be "common" or "rare"': kind not in KINDS,
        "a cue is empty": "" in of_cues,
        f"the cue {longest!r} has more than {MOST_WORDS} words": len(longest.split()) > MOST_WORDS,
    }
    return next((fault for fault, is_wrong in faults.items() if is_wrong), "")


def _words(cues: Iterable[str]) -> set[str]:
    return {word for cue in cues for word in _key(cue).split()}


def _key(cue: str) -> str:
    return " ".join(cue.casefold().split())
