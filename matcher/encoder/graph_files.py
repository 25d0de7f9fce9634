"""The compiled graphs of a model, as files of its artefact: one for each row that packed texts lie in.

A graph of one shape takes a third less time than one of any shape that has just run another (seen with OpenVINO
2026.4); written to a file once, it is there in 0.15 s at the next start, in place of 0.4 s.
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
"""Of the threads that reckon: a tenth of the share of one that serves, where both want the same core."""


def write_graphs(converted: Any, manifest: Manifest, folder: Path) -> None:
    """Compile a converted model for each row, and for any shape where a text may be longer; raise RuntimeError."""
    openvino.save_model(converted, folder / MODEL, compress_to_fp16=False)
    engine = openvino.Core()
    model = engine.read_model(folder / MODEL)  # one that knows where in the file its weights lie
    for row in _rows(manifest):
        fitted = model.clone()
        if row is not None:
            hidden = fitted.input("embedded").get_partial_shape()[2]
            texts = row // TOKENS_PER_TEXT
            fitted.reshape(
                {"embedded": [1, row, hidden], "segments": [1, row], "positions": [1, row], "weights": [texts, row]}
            )
        compiled = engine.compile_model(fitted, "CPU", _settings(manifest, 1))
        (folder / _name(row)).write_bytes(compiled.export_model().getvalue())
    (folder / MODEL).unlink()


class GraphFiles:
    """Reads the compiled graphs of an artefact; each runs in `slots` threads at once."""

    def __init__(self, folder: Path, manifest: Manifest, slots: int) -> None:
        self.rows = _rows(manifest)
        """The rows that have a graph, None: any shape."""
        self._folder = folder
        self._engine = openvino.Core()
        self._settings = {**_settings(manifest, slots), "WEIGHTS_PATH": str(folder / WEIGHTS)}

    def read(self, rows: Sequence[int | None]) -> list[Any]:
        """Return the graphs of some rows, read together.

        Raises RuntimeError where a file is none of OpenVINO's, and OSError.
        """

        def read(row: int | None) -> Any:
            exported = openvino.Tensor(np.fromfile(self._folder / _name(row), np.uint8))
            return self._engine.import_model(exported, "CPU", self._settings)

        with ThreadPoolExecutor(len(rows), initializer=stand_back) as readers:
            return list(readers.map(read, rows))


def stand_back() -> None:
    """Lower the priority of this thread, and with it of those it starts: OpenVINO's own, which reckon.

    Where the cores are full, calls are taken in, answered and refused before more is encoded; and none of these
    threads ever holds the interpreter, for which a thread of the usual priority would have to wait.
    """
    if sys.platform == "linux":  # the one system where a thread has a priority of its own
        thread = threading.get_native_id()
        with suppress(OSError):  # a sandbox may forbid it; then they share the cores as before
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


def _rows(manifest: Manifest) -> tuple[int | None, ...]:
    if not manifest.packed:
        return (None,)
    rows = static_rows(manifest.max_length)
    return rows if rows[-1] >= manifest.max_length else (*rows, None)


def _name(row: int | None) -> str:
    return "graph-any.blob" if row is None else f"graph-{row}.blob"


def _settings(manifest: Manifest, slots: int) -> dict[str, Any]:
    return {
        # Without this the plugin takes bf16 for the parts of the model that are not quantised.
        "INFERENCE_PRECISION_HINT": "bf16" if manifest.precision == "bf16" else "f32",
        "NUM_STREAMS": slots,
        "INFERENCE_NUM_THREADS": slots,
        # Pinned, every process of a machine takes the same first core.
        "ENABLE_CPU_PINNING": False,
        # The weights stay in one file, which all graphs map.
        "CACHE_MODE": "OPTIMIZE_SIZE",
    }
