"""Run a compiled model: imports openvino and tokenizers, never torch."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from matcher.encoder.artifact import LEAST_COSINE, MODEL, REFERENCE, Manifest, reference_texts
from matcher.encoder.contract import Tokens, Vectors
from matcher.encoder.layout import Layout
from matcher.encoder.reading import Reader
from matcher.encoder.telemetry_off import stop_telemetry

stop_telemetry()

import openvino  # noqa: E402

NICENESS: Final = 10
"""Of the threads that reckon: a tenth of the share of one that serves, where both want the same core."""


class RuntimeUntrue(Exception):
    """A compiled model does not load, or does not give the vectors it should; never leaves this package."""


def open_openvino(folder: Path, manifest: Manifest, slots: int) -> OpenVinoRuntime:
    """Return a runtime just seen to give the original model's vectors; raise RuntimeUntrue otherwise."""
    try:
        runtime = OpenVinoRuntime(folder, manifest, slots)
        wanted = np.load(folder / REFERENCE, allow_pickle=False)
        cosine = mean_cosine(runtime.encode_all(reference_texts()), wanted)
    except (RuntimeError, ValueError, OSError, IndexError, KeyError) as error:
        raise RuntimeUntrue(f"it cannot be run ({type(error).__name__})") from error
    if not cosine >= LEAST_COSINE:
        raise RuntimeUntrue(f"on this machine its vectors agree with the original's only to {cosine:.3f}")
    return runtime


class OpenVinoRuntime:
    """Holds one compiled model with a stream, and an inference request, for each worker."""

    def __init__(self, folder: Path, manifest: Manifest, slots: int) -> None:
        """Load the artefact in `folder`; takes about 0.4 s."""
        self._manifest = manifest
        self._reader = Reader(folder, manifest)
        with ThreadPoolExecutor(1, initializer=stand_back) as loader:
            compiled = loader.submit(_compiled, folder, manifest, slots).result()
        self._requests = [compiled.create_infer_request() for _ in range(slots)]
        self._inputs = [port.get_any_name() for port in compiled.inputs]

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
        """Return the number of streams."""
        return len(self._requests)

    @property
    def layout(self) -> Layout:
        """Return how the texts of one run lie in the model's input."""
        return self._reader.layout

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Cut texts into tokens, truncated to the model's own limit."""
        return self._reader.tokenize(texts)

    def run(self, batch: Sequence[Tokens], slot: int) -> Vectors:
        """Return one unit vector a text, in order, shape (len(batch), dimension)."""
        given = self._reader.arrays(batch)
        request = self._requests[slot]
        request.infer({name: given[name] for name in self._inputs}, share_inputs=True)
        vectors: Vectors = request.get_output_tensor(0).data[: len(batch)].astype(np.float32, copy=True)
        return vectors

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


def _compiled(folder: Path, manifest: Manifest, slots: int) -> Any:
    engine = openvino.Core()
    return engine.compile_model(
        engine.read_model(folder / MODEL),
        "CPU",
        {
            # Without this the plugin takes bf16 for the parts of the model that are not quantised.
            "INFERENCE_PRECISION_HINT": "bf16" if manifest.precision == "bf16" else "f32",
            "NUM_STREAMS": slots,
            "INFERENCE_NUM_THREADS": slots,
            # Pinned, every process of a machine takes the same first core.
            "ENABLE_CPU_PINNING": False,
        },
    )


def stand_back() -> None:
    """Lower the priority of this thread, and with it of those it starts: OpenVINO's own, which reckon.

    Where the cores are full, calls are taken in, answered and refused before more is encoded; and none of these
    threads ever holds the interpreter, for which a thread of the usual priority would have to wait.
    """
    if sys.platform == "linux":  # the one system where a thread has a priority of its own
        thread = threading.get_native_id()
        with suppress(OSError):  # a sandbox may forbid it; then they share the cores as before
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


def mean_cosine(found: Vectors, wanted: Vectors) -> float:
    """Return the mean cosine of the rows of two matrices of unit vectors, shape (n, dimension) each."""
    return float(np.mean(np.sum(found * wanted, axis=1)))
