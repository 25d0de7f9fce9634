"""Reference texts: what a compiled universal-sentence-encoder-multilingual is compared on with the original."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("reference.txt")


def universal_reference_texts() -> list[str]:
    """Return sentences in the model's sixteen languages, and two long texts of several sentences."""
    sentences = FILE.read_text(encoding="utf-8").splitlines()
    return [*sentences, " ".join(sentences[:6]), " ".join(sentences[::5])]
