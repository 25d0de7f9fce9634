"""Compiled kernels, the innermost loops of a decision; there are none where installation found no C++ compiler.

`compiled` is None then, and the functions that use it compute the same with numpy, a few times slower.
"""

from types import ModuleType
from typing import Final

__all__ = ["compiled", "in_use"]

VERSION: Final = 5
"""Kernels compiled from a tree of another version are ignored."""

compiled: ModuleType | None = None
try:
    from matcher import _kernels
except ImportError:
    pass
else:
    compiled = _kernels if getattr(_kernels, "VERSION", 0) == VERSION else None


def in_use() -> dict[str, str]:
    """Return what runs the innermost loops and the scan of quantized rows on this machine."""
    return {
        "kernels": "numpy" if compiled is None else "compiled",
        "scan": "compiled" if compiled is not None and compiled.SCANS else "faiss",
    }
