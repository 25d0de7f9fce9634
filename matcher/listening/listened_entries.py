"""Listened entries: the interests and service themes that units are compared with, those of a site's own among them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import structlog

from matcher.affinity.cue_index import CueIndex, indexes
from matcher.affinity.interest_lexicon import Entry, extended, languages, packaged, read_lexicon
from matcher.affinity.language import ENGLISH
from matcher.affinity.service_themes import packaged_sentences, packaged_themes
from matcher.model.coverage import EntryKind

log = structlog.get_logger(__name__)

MOST_BYTES: Final = 4 * 1024 * 1024
"""A longer file of a site's own entries is not read."""


_FILES: Final = {EntryKind.INTEREST: "interests", EntryKind.THEME: "themes"}


@dataclass(frozen=True, slots=True)
class Listened:
    """An entry: kind and id name it in the store as `key`."""

    kind: EntryKind
    id: str
    name: str

    @property
    def key(self) -> str:
        """Return what names the entry among all: the letter of its kind and its id."""
        return f"{self.kind[0].lower()}:{self.id}"


@dataclass(frozen=True, slots=True)
class ListenedEntries:
    """The entries by number, what describes each by language, and the index of cues by language."""

    entries: tuple[Listened, ...]
    described: tuple[tuple[str, int, Entry], ...]
    """Language, number of the entry, and the entry as it is in that language."""
    sentences: tuple[tuple[int, str], ...]
    """Number of a theme, and an English sentence of a customer who brings the theme up."""
    cues: Mapping[str, CueIndex]
    digest: str
    """16 hex digits of everything that the entries' vectors come of."""

    @classmethod
    def of(cls, by_kind: Mapping[EntryKind, Mapping[str, Mapping[str, Entry]]]) -> ListenedEntries:
        """Return the entries, given those of each kind and language by id."""
        numbers: dict[tuple[EntryKind, str], int] = {}
        entries: list[Listened] = []
        described: list[tuple[str, int, Entry]] = []
        for kind, by_language in by_kind.items():
            for language, of_language in by_language.items():
                for entry in of_language.values():
                    number = numbers.setdefault((kind, entry.id), len(entries))
                    if number == len(entries):
                        entries.append(Listened(kind, entry.id, entry.name))
                    described.append((language, number, entry))
        cues = indexes(
            (language, number, (*entry.cues, entry.name) if _is_cue(entries[number], language) else entry.cues)
            for language, number, entry in described
        )
        sentences = tuple(
            (numbers[EntryKind.THEME, theme], sentence)
            for theme, of_theme in packaged_sentences().items()
            if (EntryKind.THEME, theme) in numbers
            for sentence in of_theme
        )
        text = "\n".join(f"{language} {number} {entry.name} {entry.cues}" for language, number, entry in described)
        text += f"\n{sentences}"
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return cls(tuple(entries), tuple(described), sentences, cues, digest)


def _is_cue(entry: Listened, language: str) -> bool:
    """Return whether an entry's name is what a text would say; themes are named in English for people who read them."""
    return entry.kind is EntryKind.INTEREST or language == ENGLISH


def packaged_entries() -> dict[EntryKind, dict[str, Mapping[str, Entry]]]:
    """Return the packaged entries by kind and language, English first."""
    return {
        EntryKind.INTEREST: {language: packaged(language) for language in languages()},
        EntryKind.THEME: {language: packaged_themes(language) for language in languages()},
    }


@cache
def of_package() -> ListenedEntries:
    """Return the packaged entries alone."""
    return ListenedEntries.of(packaged_entries())


def of_site(folder: Path | None, site: str) -> ListenedEntries:
    """Return the entries of a site: the packaged ones, and its own in `<folder>/<site>`.

    Own files are `interests.<language>.tsv` and `themes.<language>.tsv`, in the form of the packaged ones: an entry of
    a known id adds its cues. A line that is no entry, and a file that cannot be read, is left out and logged.
    """
    own = folder / site if folder else None
    if own is None or not own.is_dir():
        return of_package()
    by_kind = packaged_entries()
    for kind, by_language in by_kind.items():
        for language in by_language:
            entries = _own(own / f"{_FILES[kind]}.{language}.tsv")
            if entries:
                by_language[language] = extended(by_language[language], entries)
    return ListenedEntries.of(by_kind)


def _own(file: Path) -> Mapping[str, Entry]:
    try:
        if not file.is_file():
            return {}
        if file.stat().st_size > MOST_BYTES:
            log.warning("a file of own entries is too long and is not read", file=str(file), most_bytes=MOST_BYTES)
            return {}
        reading = read_lexicon(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        log.warning("a file of own entries cannot be read", file=str(file), error=type(error).__name__)
        return {}
    for fault in reading.faults:
        log.warning("a line of own entries is left out", file=str(file), line=fault.line, what=fault.what)
    return reading.entries
