"""Comparable texts: what the model is given of a unit or an interest, without words that it does not know."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from matcher.affinity import language
from matcher.affinity.emoji_names import named
from matcher.affinity.small_talk import SmallTalk

Unknown: TypeAlias = Callable[[Sequence[str]], Sequence[Sequence[tuple[int, int]]]]
"""Returns for each text the places of the words that the model's tokenizer does not know."""

_READABLE: Final = re.compile(r"[^\W_]")
_SPACES: Final = re.compile(r"\s+")


def prepare() -> None:
    """Read the names of emoji, small talk and what identifies languages, so that no message waits for them (1 s)."""
    named("👋")
    SmallTalk.of_pool(())
    language.prepare()


def comparable(texts: Sequence[str], unknown: Unknown) -> list[str]:
    """Return what is compared of each text: emoji by their names, and no unknown word; "" where nothing is left.

    All unknown words look alike to a model: "🎷🎺🥁" met "👍" with a cosine of 0.83, and a question in Thai. A text
    without any is returned as it is.
    """
    by_name = [named(text) for text in texts]
    return [without(text, places) if places else text for text, places in zip(by_name, unknown(by_name), strict=True)]


def comparable_interests(interests: Sequence[str], unknown: Unknown) -> list[str]:
    """Return what is compared of each interest; "" for one that says nothing: unknown to the model, or small talk."""
    small_talk = SmallTalk.of_pool(())
    return [
        "" if small_talk.is_one(interest) else known
        for interest, known in zip(interests, comparable(interests, unknown), strict=True)
    ]


def without(text: str, places: Sequence[tuple[int, int]]) -> str:
    """Return a text without the words at some places, in order; "" where no letter and no digit is left."""
    ends = [0, *(end for _, end in places)]
    starts = [*(start for start, _ in places), len(text)]
    left = " ".join(text[end:start] for end, start in zip(ends, starts, strict=True))
    return _SPACES.sub(" ", left).strip() if _READABLE.search(left) else ""
