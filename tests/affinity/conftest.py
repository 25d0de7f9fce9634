"""The code that serves, on the packaged model."""

from tests.evaluation.conftest import serving

__all__ = ["serving"]
