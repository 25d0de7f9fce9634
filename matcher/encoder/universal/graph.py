"""Graph of universal-sentence-encoder-multilingual for OpenVINO: several texts share a row, with gaps between them.

The model sums up, for each place of a text, the piece's vector and three n-gram convolutions over it (2, 3 and 5
pieces, two of each), and four dense layers make a vector of the sum. A gap is as the nothing beyond a text's ends: all
zeros, before each convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from matcher.encoder.telemetry_off import stop_telemetry
from matcher.encoder.universal.weights import DIMENSION, Floats

stop_telemetry()

import openvino  # noqa: E402
from openvino import opset13 as ops  # noqa: E402

ORDERS: Final = ((2, 0), (3, 1), (5, 2))
"""Pieces of an n-gram, and how many of them stand before its place."""
WIDTH: Final = 256
"""Components of a convolution."""


def universal_graph(weights: Mapping[str, Floats]) -> Any:
    """Return the graph, for rows of any length.

    Its inputs: `embedded` [1, row, 512], the vectors of the pieces; `inside` [1, row], 1 where a text is and 0 in gaps;
    `weights` [texts, row], for each text 1 / sqrt(its pieces) at its places. It gives unit vectors [texts, 512].
    """
    embedded = ops.parameter([1, -1, DIMENSION], np.float32, name="embedded")
    inside = ops.parameter([1, -1], np.float32, name="inside")
    pooling = ops.parameter([-1, -1], np.float32, name="weights")
    epsilon = float(weights["eps"])

    def dense(value: Any, name: str) -> Any:
        return ops.matmul(value, _constant(weights[name]), transpose_a=False, transpose_b=False)

    def beside(name: str) -> Floats:
        return np.concatenate([weights[f"{name}{order}"] for order, _ in ORDERS], axis=-1)

    pieces = ops.squeeze(embedded, _whole(0))
    places = ops.unsqueeze(ops.squeeze(inside, _whole(0)), _whole(1))
    projected = ops.matmul(pieces, _constant(beside("proj")), transpose_a=False, transpose_b=False)
    projected = ops.add(projected, _constant(beside("proj_b")))
    projected = _normalised(projected, beside("ln_g"), beside("ln_b"), epsilon)
    projected = ops.multiply(projected, places)
    features = [pieces]
    for number, (order, before) in enumerate(ORDERS):
        value = _columns(projected, WIDTH * number, WIDTH * (number + 1))
        for layer in ("1", "2"):
            value = ops.multiply(value, places)
            grams = dense(_windows(value, order, before), f"w{layer}_{order}")
            value = ops.add(ops.relu(ops.add(grams, _constant(weights[f"b{layer}_{order}"]))), value)
        features.append(value)
    summed = _normalised(ops.concat(features, 1), weights["ln_g"], weights["ln_b"], epsilon)
    summed = dense(ops.matmul(pooling, summed, transpose_a=False, transpose_b=False), "cnn_W")
    each = ops.reduce_sum(pooling, _whole(1), keep_dims=True)
    summed = ops.add(summed, ops.multiply(each, _constant(weights["cnn_b"])))
    second = ops.relu(ops.add(dense(summed, "p1"), dense(ops.relu(dense(summed, "d0")), "d1")))
    last = ops.add(dense(second, "p3"), dense(ops.relu(dense(second, "d2")), "d3"))
    unit = ops.normalize_l2(ops.tanh(last), _whole(1), epsilon, "max")
    model = openvino.Model([unit], [embedded, inside, pooling], "universal")
    for port, name in zip(model.inputs, ("embedded", "inside", "weights"), strict=True):
        port.get_tensor().set_names({name})
    return model


def _windows(value: Any, order: int, before: int) -> Any:
    """Return for each place the `order` places around it side by side, zeros beyond the row's ends."""
    ends = [np.zeros((size, WIDTH), np.float32) for size in (before, order - 1 - before)]
    padded = [ops.constant(ends[0]), value, ops.constant(ends[1])]
    whole = ops.concat([part for part, size in zip(padded, (before, 1, order - 1 - before), strict=True) if size], 0)
    return ops.concat([_rows(whole, shift, shift - order + 1) for shift in range(order)], 1)


def _rows(value: Any, start: int, end: int) -> Any:
    """Return the rows from `start` up to `end`, which counts from the last one back; 0: to the last.

    The largest number that OpenVINO keeps when it writes a compiled graph is that of 32 bits.
    """
    return ops.slice(value, _whole(start), _whole(end or np.iinfo(np.int32).max), _whole(1), _whole(0))


def _columns(value: Any, start: int, end: int) -> Any:
    return ops.slice(value, _whole(start), _whole(end), _whole(1), _whole(1))


def _normalised(value: Any, scale: Floats, offset: Floats, epsilon: float) -> Any:
    normal = ops.mvn(value, _whole(-1), normalize_variance=True, eps=epsilon, eps_mode="INSIDE_SQRT")
    return ops.add(ops.multiply(normal, _constant(scale)), _constant(offset))


def _constant(value: Floats) -> Any:
    return ops.constant(np.ascontiguousarray(value, np.float32))


def _whole(value: int) -> Any:
    return ops.constant(np.array([value], np.int64))
