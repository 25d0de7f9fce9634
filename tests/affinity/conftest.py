"""Fixture: the production code on the packaged model."""

from tests.evaluation.conftest import serving

__all__ = ["serving"]
