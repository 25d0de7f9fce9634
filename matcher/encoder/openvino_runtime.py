"""Run a compiled model: imports openvino and tokenizers, never torch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from matcher.encoder.artifact import LEAST_COSINE, REFERENCE, Manifest, reference_texts
from matcher.encoder.graph_files import GraphFiles
from matcher.encoder.infer_requests import Request, StaticRequest
from matcher.encoder.layout import MOST_TOKENS, STATIC_ROWS, Layout
from matcher.encoder.protocols import Tokens, Vectors
from matcher.encoder.tokenization import Tokenization


class RuntimeUntrue(Exception):
    """A compiled model does not load, or does not give the vectors it should; never leaves this package."""


def open_openvino(folder: Path, manifest: Manifest, slots: int) -> OpenVinoRuntime:
    """Return a runtime just seen to give the original model's vectors; raise RuntimeUntrue otherwise.

    Long texts are left out, whose graph is read when the first comes: compiling has seen theirs.
    """
    try:
        runtime = OpenVinoRuntime(folder, manifest, slots)
        wanted = np.load(folder / REFERENCE, allow_pickle=False)
        texts = reference_texts()
        checked = [number for number, cut in enumerate(runtime.tokenize(texts)) if cut.length <= MOST_TOKENS]
        cosine = mean_cosine(runtime.encode_all([texts[number] for number in checked]), wanted[checked])
    except (RuntimeError, ValueError, OSError, IndexError, KeyError) as error:
        raise RuntimeUntrue(f"it cannot be run ({type(error).__name__})") from error
    if not cosine >= LEAST_COSINE:
        raise RuntimeUntrue(f"on this machine its vectors agree with the original's only to {cosine:.3f}")
    return runtime


class OpenVinoRuntime:
    """Holds the compiled graphs of a model, each with a stream for each core and a request for each worker.

    There is one worker more than streams: its batch is made ready while the others' run.
    """

    def __init__(self, folder: Path, manifest: Manifest, slots: int) -> None:
        """Load the artefact in `folder`; takes about 0.4 s."""
        self._manifest = manifest
        self._reader = Tokenization(folder, manifest)
        self._files = GraphFiles(folder, manifest, slots)
        self._slots = slots + 1
        self._reading = threading.Lock()
        self._requests: dict[int | None, list[Request] | list[StaticRequest]] = {}
        often = [row for row in self._files.rows if row in STATIC_ROWS]
        self._read(often or self._files.rows)

    @property
    def name(self) -> str:
        """Return `openvino-` and the precision of the artefact."""
        return f"openvino-{self._manifest.precision}"

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""
        return self._manifest.dimension

    @property
    def slots(self) -> int:
        """Return the number of workers."""
        return self._slots

    @property
    def layout(self) -> Layout:
        """Return how the texts of one run lie in the model's input."""
        return self._reader.layout

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Cut texts into tokens, truncated to the model's own limit."""
        return self._reader.tokenize(texts)

    def run(self, batch: Sequence[Tokens], slot: int) -> Vectors:
        """Return one unit vector a text, in order, shape (len(batch), dimension)."""
        row = self.layout.arrange([tokens.length for tokens in batch]).tokens if self._manifest.packed else None
        request = self._requests_for(row if row in self._files.rows else None)[slot]
        given = self._reader.arrays(batch, request.inputs)
        vectors: Vectors = request.run(given)[: len(batch)].astype(np.float32, copy=True)
        return vectors

    def _requests_for(self, row: int | None) -> list[Request] | list[StaticRequest]:
        if row not in self._requests:
            with self._reading:
                if row not in self._requests:
                    self._read([row])
        return self._requests[row]

    def _read(self, rows: Sequence[int | None]) -> None:
        for row, graph in zip(rows, self._files.read(rows), strict=True):
            if row is None:
                self._requests[row] = [Request(graph) for _ in range(self._slots)]
            else:
                self._requests[row] = [StaticRequest(graph) for _ in range(self._slots)]

    def encode_all(self, texts: Sequence[str]) -> Vectors:
        """Encode texts as the batches of a full queue would be, on one slot; shape (len(texts), dimension)."""
        waiting = list(enumerate(self.tokenize(texts)))
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        while waiting:
            chosen = set(self.layout.choose([tokens.length for _, tokens in waiting]))
            batch = [pair for index, pair in enumerate(waiting) if index in chosen]
            waiting = [pair for index, pair in enumerate(waiting) if index not in chosen]
            vectors[[row for row, _ in batch]] = self.run([tokens for _, tokens in batch], slot=0)
        return vectors


def mean_cosine(found: Vectors, wanted: Vectors) -> float:
    """Return the mean cosine of the rows of two matrices of unit vectors, shape (n, dimension) each."""
    return float(np.mean(np.sum(found * wanted, axis=1)))
