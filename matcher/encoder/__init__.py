"""Turn texts into vectors: a sentence-transformers model, compiled once and served without torch, in batches."""

from matcher.encoder.contract import Encoder, Vectors
from matcher.encoder.opening import open_encoder
from matcher.encoder.settings import PACKAGED_MODEL, EncoderObserver, EncoderSettings, EncoderStats, Priority

__all__ = [
    "PACKAGED_MODEL",
    "Encoder",
    "EncoderObserver",
    "EncoderSettings",
    "EncoderStats",
    "Priority",
    "Vectors",
    "open_encoder",
]
