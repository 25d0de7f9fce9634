"""Files of a model's compiled graphs: one graph for each length of a row of packed texts.

A graph of one shape takes a third less time than a graph of any shape that has just run another shape (measured with
OpenVINO 2026.4); read from a file it is ready in 0.15 s at the next start, instead of 0.4 s.
"""

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

from matcher.encoder.artifact import Manifest
from matcher.encoder.layout import TOKENS_PER_TEXT, static_rows
from matcher.encoder.telemetry_off import stop_telemetry

stop_telemetry()

import openvino  # noqa: E402

MODEL: Final = "model.xml"
WEIGHTS: Final = "model.bin"
NICENESS: Final = 10
"""Niceness of inference threads: under contention they get a tenth of a serving thread's CPU."""


def write_graphs(converted: Any, manifest: Manifest, folder: Path) -> None:
    """Compile a converted model for each row length, and for any shape where a text may be longer.

    Raises RuntimeError where OpenVINO cannot.
    """
    openvino.save_model(converted, folder / MODEL, compress_to_fp16=False)
    engine = openvino.Core()
    model = engine.read_model(folder / MODEL)  # it knows where in the file its weights are
    for row in _rows(manifest):
        fitted = model.clone()
        if row is not None:
            fitted.reshape({port.get_any_name(): _shape(port, row) for port in fitted.inputs})
        compiled = engine.compile_model(fitted, "CPU", _settings(manifest, 1))
        (folder / _name(row)).write_bytes(compiled.export_model().getvalue())
    (folder / MODEL).unlink()


def _shape(port: Any, row: int) -> list[Any]:
    """Return the shape of an input in a row of the given number of tokens."""
    if port.get_any_name() == "weights":
        return [row // TOKENS_PER_TEXT, row]
    return [1, row, *list(port.get_partial_shape())[2:]]


class GraphFiles:
    """Reads the compiled graphs of an artefact; each graph runs in `streams` streams at once."""

    def __init__(self, folder: Path, manifest: Manifest, streams: int) -> None:
        self.rows = _rows(manifest)
        """The row lengths that have a graph; None: the graph of any shape."""
        self._folder = folder
        self._engine = openvino.Core()
        self._settings = {**_settings(manifest, streams), "WEIGHTS_PATH": str(folder / WEIGHTS)}

    def read(self, rows: Sequence[int | None]) -> list[Any]:
        """Return the graphs of some row lengths, read in parallel.

        Raises RuntimeError where a file is no graph of OpenVINO, and OSError.
        """

        def read(row: int | None) -> Any:
            exported = openvino.Tensor(np.fromfile(self._folder / _name(row), np.uint8))
            return self._engine.import_model(exported, "CPU", self._settings)

        with ThreadPoolExecutor(len(rows), initializer=stand_back) as readers:
            return list(readers.map(read, rows))


def stand_back() -> None:
    """Lower the priority of this thread and of the threads it starts: OpenVINO's own, which compute.

    Where the cores are busy, the service accepts, answers and refuses requests before more texts are encoded. No thread
    of usual priority waits for these threads: they never hold the interpreter lock.
    """
    if sys.platform == "linux":  # no other system gives a thread a priority of its own
        thread = threading.get_native_id()
        with suppress(OSError):  # a sandbox may forbid it; then the threads share the cores equally
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


def _rows(manifest: Manifest) -> tuple[int | None, ...]:
    if not manifest.packed:
        return (None,)
    rows = static_rows(manifest.max_length)
    return rows if rows[-1] >= manifest.max_length else (*rows, None)


def _name(row: int | None) -> str:
    return "graph-any.blob" if row is None else f"graph-{row}.blob"


def _settings(manifest: Manifest, streams: int) -> dict[str, Any]:
    return {
        # Without this the plugin runs the parts of the model that are not quantised in bf16.
        "INFERENCE_PRECISION_HINT": "bf16" if manifest.precision == "bf16" else "f32",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams,
        # With pinning every process of a machine takes the same first core.
        "ENABLE_CPU_PINNING": False,
        # The weights stay in one file that all graphs map.
        "CACHE_MODE": "OPTIMIZE_SIZE",
    }
