"""Language of a text: which of the languages that the packaged models know a customer or an agent wrote in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np

from matcher.affinity.interest_lexicon import languages as lexicon_languages
from matcher.affinity.interest_lexicon import packaged_text, read_lexicon
from matcher.affinity.small_talk import packaged_sentences

LANGUAGES: Final = ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "sv", "th", "tr", "zh")
"""The languages that are told apart; Chinese is one language in both scripts.

Those of universal-sentence-encoder-multilingual, and Swedish, for which there is small talk.
"""

ENGLISH: Final = "en"

READ: Final = 150
"""The first characters of a text, by which its language is identified."""

SURE: Final = 0.6
"""The least probability of a language that counts as identified."""

FEW_WORDS: Final = 8
"""Words of a text that are looked up in the interest lexicon; a longer text is identified without."""

KNOWN_WORD: Final = 10.0
"""How much likelier a language is for each of few words that stands in its interest lexicon or its small talk."""

SAID: Final = 5.0
"""How much likelier the language is that the caller said: decides where a text is too short to decide by itself."""

_LATIN: Final = ("de", "en", "es", "fr", "it", "nl", "pl", "pt", "sv", "tr")
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")

# A sign of Han, kana or hangul says as much as a few letters.
_SCRIPTS: Final = (
    ("kana", re.compile("[\u3041-\u30ff\uff66-\uff9f]"), 3),
    ("han", re.compile("[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"), 3),
    ("hangul", re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"), 3),
    ("thai", re.compile("[\u0e01-\u0e4e]"), 1),
    ("arabic", re.compile("[\u0620-\u064a\u0671-\u06d3]"), 1),
    ("cyrillic", re.compile("[\u0400-\u052f]"), 1),
    ("latin", re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]"), 1),
    (
        "other",
        re.compile(
            r"[^\W\d_A-Za-z\u00c0-\u024f\u0400-\u052f\u0620-\u06d3\u0e01-\u0e4e\u1100-\u11ff\u1e00-\u1eff\u3005-\ud7af]"
        ),
        1,
    ),
)
_NOT_LATIN: Final = re.compile("[\u0370-\u1dff\u2c00-\ud7ff\uf900-\ufdff\ufe70-\uff19\uff41-\uffdc]")
"""Stands in every text of another script; signs and emoji do not."""
_OF_SCRIPT: Final = {"japanese": "ja", "han": "zh", "hangul": "ko", "thai": "th", "arabic": "ar", "cyrillic": "ru"}

KANA: Final = 0.1
"""The least kana for each sign of Han in Japanese: a Chinese text has a single one at most."""

_OTHERS_LETTERS: Final = re.compile(
    "[\u0402\u0404\u0406-\u0408\u0452\u0454\u0456-\u0458\u0490\u0491"
    "\u0679\u067e\u0686\u0688\u0691\u0698\u06a9\u06af\u06ba\u06c1\u06cc\u06d2]"
)
"""Letters that neither Russian nor Arabic has: of Ukrainian, Serbian, Persian and Urdu."""


def language_of(text: str, said: str = "") -> str:
    """Return the tag of the language that a text is surely in; "" where it is not sure, or in none of `LANGUAGES`.

    said: the tag of the language that the caller of the service said, or ""; counts for a text of few words only.
    Takes 20 to 130 µs; the first call loads a model where `prepare` was not called.
    """
    text, said = text[:READ], said.partition("-")[0].lower()
    if _NOT_LATIN.search(text) and (script := _script(text)) != "latin":
        return "" if _OTHERS_LETTERS.search(text) else _OF_SCRIPT.get(script, "")
    likely: dict[str, float] = dict(_identifier().rank(text))
    words = _WORD.findall(text.lower())
    if len(words) <= FEW_WORDS:
        known = _known_words()
        for tag in (tag for word in words for tag in known.get(word, ())):
            likely[tag] *= KNOWN_WORD
    if said in likely:
        likely[said] *= SAID
    best = max(likely, key=likely.__getitem__)
    return best if likely[best] >= SURE * sum(likely.values()) else ""


def prepare() -> None:
    """Load what identifies languages, so that no message waits for it (about 1 s, 60 MB)."""
    _identifier()
    _known_words()


def _script(text: str) -> str:
    """Return the script of most of a text with letters."""
    signs = {name: weight * len(pattern.findall(text)) for name, pattern, weight in _SCRIPTS}
    kana, han = signs.pop("kana"), signs.pop("han")
    signs["japanese" if kana > KANA * han else "han"] = kana + han
    return max(signs, key=signs.__getitem__)


@cache
def _identifier() -> Any:
    """Return an identifier of the languages in Latin script, whose probabilities sum to 1."""
    from py3langid import langid
    from py3langid.modelio import load_model

    weights, prior, tags, moves, rows, features = load_model(langid.MODEL_DIR / langid.MODEL_FILE)
    kept = [at for at, tag in enumerate(tags) if tag in _LATIN]
    return langid.LanguageIdentifier(
        np.ascontiguousarray(weights[:, kept]),
        prior[kept],
        [tags[at] for at in kept],
        moves,
        features,
        norm_probs=True,
        tk_row=rows,
    )


@cache
def _known_words() -> Mapping[str, tuple[str, ...]]:
    """Return the languages in Latin script by word, of the words of the interest lexicon and of small talk."""
    small_talk = packaged_sentences()
    known: dict[str, tuple[str, ...]] = {}
    for tag in _LATIN:
        texts = list(small_talk.get(tag, ()))
        if tag in lexicon_languages():
            entries = read_lexicon(packaged_text(tag)).entries.values()
            texts += [text for entry in entries for text in (entry.name, *entry.cues)]
        for word in {word for text in texts for word in _WORD.findall(text.lower())}:
            known[word] = (*known.get(word, ()), tag)
    return known
