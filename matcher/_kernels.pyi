import numpy as np
from numpy.typing import NDArray

_Whole = NDArray[np.int64]
_Single = NDArray[np.float32]
_Double = NDArray[np.float64]

VERSION: int
SCANS: bool

def cosines(
    vectors: NDArray[np.uint16], shrink: _Single, toward: _Single, unit: _Whole, rows: _Whole, result: _Single
) -> None: ...
def above(
    codes: NDArray[np.uint8],
    bounds: tuple[float, float, float],
    admitted: NDArray[np.uint8],
    lines: _Whole,
    vectors: NDArray[np.uint16],
    shrink: _Single,
    toward: _Single,
    threshold: float,
    kinds: tuple[NDArray[np.uint8], _Single, NDArray[np.uint8], _Single, _Single, float] | None,
) -> tuple[_Whole, _Whole, _Single]: ...
def scaled(vectors: NDArray[np.uint16], shrink: _Single, rows: _Whole, result: _Single) -> bool: ...
def coded(rows: _Single, scale: float, codes: NDArray[np.uint8]) -> tuple[float, float, float]: ...
def packed(
    table: NDArray[np.uint16],
    ids: _Whole,
    lengths: _Whole,
    pad: int,
    first_position: int,
    first: bool,
    last: bool,
    embedded: _Single,
    segments: _Whole,
    positions: _Whole,
    weights: _Single,
) -> None: ...
def shared(
    lines: NDArray[np.int32],
    local: NDArray[np.int32],
    table: _Single,
    unit: _Whole,
    handle: _Whole,
    most: float,
    result: _Single,
) -> None: ...
def score(
    unit: _Whole,
    agent: _Whole,
    interest: _Whole,
    cosine: _Single,
    lexical: _Single,
    held: _Whole,
    weight: _Single,
    settings: tuple[float, float, float, float, float, float, float, float],
    met: _Whole,
    said: _Double,
    first: _Whole,
    reason: _Whole,
    strengths: _Double,
) -> tuple[int, int]: ...
def confidence(
    scores: _Double,
    breadth: _Double,
    places: _Whole,
    free: int,
    roster: int,
    sharpness: float,
    weights: _Double,
    best: _Double,
    result: _Double,
) -> None: ...
