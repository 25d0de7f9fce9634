"""The innermost loops of a search, compiled where a C++ compiler was at hand when the package was installed.

Where none was, `compiled` is None, and numpy does the same in the functions that ask for it, a few times slower.
"""

from types import ModuleType

__all__ = ["compiled"]

compiled: ModuleType | None
try:
    from matcher import _kernels

    compiled = _kernels
except ImportError:
    compiled = None
