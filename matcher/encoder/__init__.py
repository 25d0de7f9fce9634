"""Encoder from texts to vectors: a sentence-transformers model, compiled once and served in batches without torch."""

from matcher.encoder.factory import fingerprint_of, open_encoder
from matcher.encoder.paired_encoder import TextReading
from matcher.encoder.protocols import Encoder, Vectors, halves_of, unknown_words
from matcher.encoder.settings import (
    PACKAGED_MODEL,
    PACKAGED_PAIR,
    UNIVERSAL_MODEL,
    EncoderObserver,
    EncoderSettings,
    EncoderStats,
    Priority,
    usable_cores,
)

__all__ = [
    "PACKAGED_MODEL",
    "PACKAGED_PAIR",
    "UNIVERSAL_MODEL",
    "Encoder",
    "EncoderObserver",
    "EncoderSettings",
    "EncoderStats",
    "Priority",
    "TextReading",
    "Vectors",
    "fingerprint_of",
    "halves_of",
    "open_encoder",
    "unknown_words",
    "usable_cores",
]
