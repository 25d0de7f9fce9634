"""Settings, priorities and counters of the encoder."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PACKAGED_MODEL = "all-MiniLM-L6-v2"
UNIVERSAL_MODEL = "universal-sentence-encoder-multilingual"
PACKAGED_PAIR = f"{PACKAGED_MODEL}+{UNIVERSAL_MODEL}"
"""The first for English, the second beside it for every language."""

RuntimeChoice = Literal["auto", "openvino", "torch"]


class Priority(enum.IntEnum):
    """Which texts are encoded first: a customer waits for a route, and nobody waits for an interest of a profile."""

    ROUTE = 0
    PROFILE = 1


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """Hold which model is served, by what runtime, and the bounds of the queue and the cache.

    `model` is the name of a packaged model or pair, a folder, or a hub id; `threads` is the number of cores to use (0:
    all that this process may run on); `max_queued_tokens` bounds the queue of each priority by itself, so that an
    import cannot make a route be refused; `text_cache_size` is the number of recent texts whose vectors are kept.
    """

    cache_dir: Path
    model: str = PACKAGED_MODEL
    runtime: RuntimeChoice = "auto"
    threads: int = 0
    max_queued_tokens: int = 32_768
    text_cache_size: int = 0

    def worker_count(self) -> int:
        """Return how many cores the encoder uses."""
        return self.threads or usable_cores()


def usable_cores() -> int:
    """Return the number of cores that this process may run on; in a container they may be fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class EncoderStats:
    """Count what the encoder has done since it was opened; `queued_tokens` are the tokens queued now.

    `padded_tokens` less `tokens` is padding; `busy_seconds` is summed over the workers.
    """

    batches: int = 0
    texts: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    queued_tokens: int = 0
    dropped: int = 0
    refused: int = 0
    failures: int = 0
    workers_replaced: int = 0
    cache_hits: int = 0
    busy_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EncoderObserver:
    """Callbacks for metrics and log; the worker threads call them, so each must be quick and thread-safe.

    `on_batch` gets the texts and the seconds of each run of the model, `on_wait` the seconds each text was queued,
    `on_failure` the kind and place of an error. It does not get the error's message, which may hold a customer's words.
    """

    on_batch: Callable[[int, float], None] | None = None
    on_wait: Callable[[float], None] | None = None
    on_failure: Callable[[str], None] | None = None
