"""Infer requests: each runs a compiled graph for one thread at a time.

`infer` of OpenVINO's Python layer does the same, and holds the interpreter lock four times as long: 0.25 ms a run.
"""

from __future__ import annotations

from typing import Any

from matcher.encoder.telemetry_off import stop_telemetry
from matcher.encoder.tokenization import Arrays

stop_telemetry()

import openvino  # noqa: E402


class InferRequest:
    """Runs a graph that takes any shape."""

    inputs: Arrays | None = None
    """None: each run brings its arrays."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._names = [port.get_any_name() for port in compiled.inputs]

    def run(self, given: Arrays) -> Any:
        """Return the graph's output, valid until the next run."""
        for number, name in enumerate(self._names):
            self._request.set_input_tensor(number, openvino.Tensor(given[name], shared_memory=True))
        self._request.start_async()
        self._request.wait()
        return self._request.get_output_tensor(0).data


class StaticInferRequest:
    """Runs a graph of one shape in arrays of its own: the caller writes into `inputs`, and no array is copied."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self.inputs: Arrays = {
            port.get_any_name(): self._request.get_input_tensor(number).data
            for number, port in enumerate(compiled.inputs)
        }
        self._output = self._request.get_output_tensor(0).data

    def run(self, given: Arrays) -> Any:
        """Run what the caller wrote into `inputs` and gives again; return the output, valid until the next run."""
        assert given is self.inputs
        self._request.start_async()
        self._request.wait()
        return self._output
