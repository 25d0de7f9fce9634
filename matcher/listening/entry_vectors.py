"""Entry vectors: one for each listened entry, beside what texts of no matter reach with it; made once and kept."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from matcher.affinity.interest_lexicon import Entry
from matcher.affinity.language import ENGLISH
from matcher.affinity.sentences import split
from matcher.affinity.small_talk import measured_sentences, support_texts
from matcher.encoder import Encoder, Priority, halves_of
from matcher.errors import EncoderOverloaded
from matcher.listening.listened_entries import ListenedEntries
from matcher.model.coverage import EntryKind

log = structlog.get_logger(__name__)

Floats = NDArray[np.float32]

ENGLISH_TEXTS: Final = 6
"""Texts of cues that describe an entry in English, beside its name."""
OTHER_TEXTS: Final = 2
"""Texts of cues in every other language that the entry has."""
CUES: Final = {True: 4, False: 6}
"""Cues of such a text, in English and not."""
BACKGROUND: Final = 300
"""Texts of entries that count, beside small talk and support texts, as texts of another matter."""
CHUNK: Final = 64
SENTENCES_SHARE: Final = 0.4
"""The share of a theme's sentences in its vector, beside the texts of its cues."""
RECIPE: Final = 2
"""Increased whenever the vectors come of the same entries by another rule."""


@dataclass(frozen=True, slots=True)
class EntryVectors:
    """The vectors [entries, dimension] of the first and of the second half, scaled by what any text reaches.

    A unit's product with a row, less the row's offset, says by how many deviations the unit is closer to the entry than
    texts of no matter are. first: of the half that is zero but for English, or of no columns for a model alone.
    """

    first: Floats
    first_offset: Floats
    second: Floats
    second_offset: Floats

    @property
    def bytes(self) -> int:
        """Return the memory that the vectors take."""
        return sum(part.nbytes for part in (self.first, self.first_offset, self.second, self.second_offset))


async def entry_vectors(encoder: Encoder, entries: ListenedEntries, folder: Path) -> EntryVectors:
    """Return the vectors of entries: of a file in the folder, or computed after all messages, in 30 s of a core.

    Raises what the encoder raises, except EncoderOverloaded.
    """
    recipe = [RECIPE, encoder.fingerprint, encoder.runtime, entries.digest, measured_sentences(), dict(support_texts())]
    digest = (await asyncio.to_thread(lambda: hashlib.sha256(repr(recipe).encode()))).hexdigest()[:16]
    file = folder / f"entries-{encoder.fingerprint}-{digest}.npz"
    kept = await asyncio.to_thread(_read, file)
    if kept is not None:
        return kept
    log.info("encoding the entries that listening compares with, once for this model", entries=len(entries.entries))
    described = list(_described(entries))
    vectors = await _encode(encoder, [text for _, _, text in described], [english for _, english, _ in described])
    sentences = await _encode(encoder, [text for _, text in entries.sentences], [True] * len(entries.sentences))
    background = [(unit, language) for language, unit in _background()]
    aside = await _encode(encoder, [text for text, _ in background], [tag == ENGLISH for _, tag in background])
    step = max(1, len(vectors) // BACKGROUND)
    aside = np.concatenate([aside, vectors[::step][:BACKGROUND]])
    halves = halves_of(encoder) or (0, encoder.dimension)
    of_cues = _Texts(np.array([number for number, _, _ in described], np.intp), vectors)
    of_sentences = _Texts(np.array([number for number, _ in entries.sentences], np.intp), sentences)
    themes = np.array([entry.kind is EntryKind.THEME for entry in entries.entries], bool)
    made = await asyncio.to_thread(_made, of_cues, of_sentences, themes, aside, halves[0])
    await asyncio.to_thread(_write, file, made)
    log.info("listening is ready", entries=len(entries.entries), megabytes=round(made.bytes / 2**20, 1))
    return made


def _described(entries: ListenedEntries) -> Iterator[tuple[int, bool, str]]:
    """Yield the texts that describe each entry: its number, whether the text is English, and the text."""
    for language, number, entry in entries.described:
        english = language == ENGLISH
        if english:
            yield number, True, entry.name
        for text in _of_cues(entry, ENGLISH_TEXTS if english else OTHER_TEXTS, CUES[english]):
            yield number, english, text


def _of_cues(entry: Entry, texts: int, cues: int) -> Iterator[str]:
    """Yield texts of cues from the whole list of an entry, each of others."""
    step = max(1, len(entry.cues) // texts)
    for begin in range(min(texts, len(entry.cues))):
        yield ", ".join(entry.cues[begin::step][:cues])


def _background() -> Iterator[tuple[str, str]]:
    """Yield the language and the text of units that bring nothing of a person up."""
    by_language = defaultdict[str, list[str]](list)
    for language, sentences in (*measured_sentences().items(), *support_texts().items()):
        by_language[language] += sentences
    for language, texts in by_language.items():
        for text in texts:
            for unit in split(text).texts(text):
                yield language, unit


async def _encode(encoder: Encoder, texts: Sequence[str], english: Sequence[bool]) -> Floats:
    """Return the vectors of texts, those of a language together, after the messages of customers."""
    rows = np.zeros((len(texts), encoder.dimension), np.float32)
    for said in (True, False):
        places = [at for at, is_english in enumerate(english) if is_english is said]
        for begin in range(0, len(places), CHUNK):
            some = places[begin : begin + CHUNK]
            rows[some] = await _patiently(encoder, [texts[at] for at in some], english=said)
    return rows


async def _patiently(encoder: Encoder, texts: Sequence[str], *, english: bool) -> Floats:
    while True:
        try:
            return await encoder.encode(texts, english=english, priority=Priority.PROFILE)
        except EncoderOverloaded as full:
            await asyncio.sleep(full.retry_after_seconds or 0.2)


@dataclass(frozen=True, slots=True)
class _Texts:
    """Texts that describe entries: the number of the entry of each, and their vectors."""

    numbers: NDArray[np.intp]
    vectors: Floats

    def means(self, entries: int, columns: slice) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the mean of each entry's vectors [entries, columns], and which entries have any.

        A text of no English has no first half: it does not count in that half's mean.
        """
        vectors = self.vectors[:, columns]
        there = vectors.any(axis=1)
        summed = np.zeros((entries, vectors.shape[1]), np.float32)
        np.add.at(summed, self.numbers[there], vectors[there])
        texts = np.bincount(self.numbers[there], minlength=entries)
        means: Floats = summed / np.maximum(texts, 1).astype(np.float32)[:, None]
        return means, texts > 0


def _made(of_cues: _Texts, of_sentences: _Texts, themes: NDArray[np.bool_], aside: Floats, first: int) -> EntryVectors:
    """Return the vectors of entries, given those of the texts that describe them and of texts of no matter.

    From each the mean of its kind is taken: what all themes have in common tells none from another.
    """
    english = aside[:, :first].any(axis=1) if first else np.zeros(len(aside), bool)
    parts = list[Floats]()
    for columns, texts in ((slice(first), aside[english, :first]), (slice(first, None), aside[:, first:])):
        rows, has_cues = of_cues.means(len(themes), columns)
        said, has_said = of_sentences.means(len(themes), columns)
        rows[has_said] = (1 - SENTENCES_SHARE) * rows[has_said] + SENTENCES_SHARE * said[has_said]
        for kind in (themes & has_cues, ~themes & has_cues):
            if kind.sum() > 1:
                rows[kind] -= rows[kind].mean(axis=0)
        parts += _scaled(rows, texts)
    return EntryVectors(*parts)


def _scaled(means: Floats, aside: Floats) -> tuple[Floats, Floats]:
    """Return rows and offsets, so that a unit's product less the offset is its distance from `aside` in deviations."""
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    rows = means / np.maximum(lengths, 1e-6)
    if not rows.shape[1] or not len(aside):
        return rows, np.zeros(len(rows), np.float32)
    reached = aside @ rows.T
    deviation = np.maximum(reached.std(axis=0), 0.02)
    return (rows / deviation[:, None]).astype(np.float32), (reached.mean(axis=0) / deviation).astype(np.float32)


def _read(file: Path) -> EntryVectors | None:
    """Return the vectors of a file; None where it is missing or broken."""
    with suppress(OSError, ValueError, KeyError), np.load(file, allow_pickle=False) as kept:
        names = ("first", "first_offset", "second", "second_offset")
        return EntryVectors(*(kept[name].astype(np.float32) for name in names))
    return None


def _write(file: Path, made: EntryVectors) -> None:
    """Write a file completely or not at all; where the disk refuses, only the log says so."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as making:
            np.savez(
                making,
                first=made.first.astype(np.float16),
                first_offset=made.first_offset,
                second=made.second.astype(np.float16),
                second_offset=made.second_offset,
            )
        Path(making.name).replace(file)
    except OSError as error:
        log.warning(
            "the entries' vectors are not kept, and are made again at the next start", error=type(error).__name__
        )
