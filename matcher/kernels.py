"""The innermost loops of a decision, compiled where a C++ compiler was at hand when the package was installed.

Where none was, `compiled` is None, and numpy does the same in the functions that ask for it, a few times slower.
"""

from types import ModuleType
from typing import Final

__all__ = ["compiled", "in_use"]

VERSION: Final = 3
"""What was compiled from a tree of another version is left alone."""

compiled: ModuleType | None = None
try:
    from matcher import _kernels
except ImportError:
    pass
else:
    compiled = _kernels if getattr(_kernels, "VERSION", 0) == VERSION else None


def in_use() -> dict[str, str]:
    """Say by what the innermost loops and the scan of the rows are done here."""
    return {
        "kernels": "numpy" if compiled is None else "compiled",
        "scan": "compiled" if compiled is not None and compiled.SCANS else "faiss",
    }
