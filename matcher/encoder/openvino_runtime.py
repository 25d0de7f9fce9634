"""Runtime that runs a compiled model with OpenVINO; imports no torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from matcher.encoder.artifact import LEAST_COSINE, REFERENCE, Manifest, reference_texts
from matcher.encoder.graph_files import GraphFiles
from matcher.encoder.infer_requests import InferRequest, StaticInferRequest
from matcher.encoder.layout import MOST_TOKENS, STATIC_ROWS, Layout
from matcher.encoder.protocols import Tokens, Vectors
from matcher.encoder.tokenization import GraphInput, Tokenization


class RuntimeUntrue(Exception):
    """A compiled model does not load, or gives other vectors than the original; never leaves this package."""


def open_openvino(
    folder: Path,
    manifest: Manifest,
    streams: int,
    *,
    graph_input: Callable[[Path], GraphInput] | None = None,
    texts: Sequence[str] = (),
) -> OpenVinoRuntime:
    """Return a runtime, its vectors compared with the original model's; raise RuntimeUntrue where they differ.

    graph_input: loads from the artefact's folder what gives the graph its inputs; None: a transformer's. texts: those
    that the original was compared on; none: those of a transformer. Long texts are not compared, because their graph is
    read only when one is encoded; compiling has compared them.
    """
    try:
        runtime = OpenVinoRuntime(folder, manifest, streams, graph_input(folder) if graph_input else None)
        wanted = np.load(folder / REFERENCE, allow_pickle=False)
        texts = texts or reference_texts()
        checked = [number for number, tokens in enumerate(runtime.tokenize(texts)) if tokens.length <= MOST_TOKENS]
        cosine = mean_cosine(runtime.encode_all([texts[number] for number in checked]), wanted[checked])
    except (RuntimeError, ValueError, OSError, IndexError, KeyError) as error:
        raise RuntimeUntrue(f"it cannot be run ({type(error).__name__})") from error
    if not cosine >= LEAST_COSINE:
        raise RuntimeUntrue(f"on this machine its vectors agree with the original's only to {cosine:.3f}")
    return runtime


class OpenVinoRuntime:
    """Runs the compiled graphs of a model, each with a stream for each core and an infer request for each worker.

    There is one worker more than streams: it prepares its batch while the others run.
    """

    def __init__(self, folder: Path, manifest: Manifest, streams: int, graph_input: GraphInput | None = None) -> None:
        """Load the artefact in `folder`; takes about 0.4 s. graph_input: of the graphs; None: a transformer's."""
        self._manifest = manifest
        self._input = graph_input or Tokenization(folder, manifest)
        self._files = GraphFiles(folder, manifest, streams)
        self._workers = streams + 1
        self._reading = threading.Lock()
        self._requests: dict[int | None, list[InferRequest] | list[StaticInferRequest]] = {}
        common = [row for row in self._files.rows if row in STATIC_ROWS]
        self._read(common or self._files.rows)

    @property
    def name(self) -> str:
        """Return `openvino-` and the precision of the artefact."""
        return f"openvino-{self._manifest.precision}"

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""
        return self._manifest.dimension

    @property
    def workers(self) -> int:
        """Return the number of infer requests of each graph."""
        return self._workers

    @property
    def layout(self) -> Layout:
        """Return the layout of texts in the model's input."""
        return self._input.layout

    def unknown(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return for each text the places of the words that the model does not know."""
        return self._input.unknown(texts)

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Cut texts into tokens, truncated to the model's own limit."""
        return self._input.tokenize(texts)

    def run(self, batch: Sequence[Tokens], worker: int) -> Vectors:
        """Return one unit vector a text, in order, shape (len(batch), dimension)."""
        row = self.layout.arrange([tokens.length for tokens in batch]).tokens if self._manifest.packed else None
        request = self._requests_for(row if row in self._files.rows else None)[worker]
        given = self._input.arrays(batch, request.inputs)
        vectors: Vectors = request.run(given)[: len(batch)].astype(np.float32, copy=True)
        return vectors

    def _requests_for(self, row: int | None) -> list[InferRequest] | list[StaticInferRequest]:
        if row not in self._requests:
            with self._reading:
                if row not in self._requests:
                    self._read([row])
        return self._requests[row]

    def _read(self, rows: Sequence[int | None]) -> None:
        for row, graph in zip(rows, self._files.read(rows), strict=True):
            if row is None:
                self._requests[row] = [InferRequest(graph) for _ in range(self._workers)]
            else:
                self._requests[row] = [StaticInferRequest(graph) for _ in range(self._workers)]

    def encode_all(self, texts: Sequence[str]) -> Vectors:
        """Encode texts in the batches of a full queue, as one worker; shape (len(texts), dimension)."""
        queued = list(enumerate(self.tokenize(texts)))
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        while queued:
            chosen = set(self.layout.choose([tokens.length for _, tokens in queued]))
            batch = [pair for index, pair in enumerate(queued) if index in chosen]
            queued = [pair for index, pair in enumerate(queued) if index not in chosen]
            vectors[[row for row, _ in batch]] = self.run([tokens for _, tokens in batch], worker=0)
        return vectors


def mean_cosine(vectors: Vectors, others: Vectors) -> float:
    """Return the mean cosine of the rows of two matrices of unit vectors, shape (n, dimension) each."""
    return float(np.mean(np.sum(vectors * others, axis=1)))
