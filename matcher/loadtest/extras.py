"""Imports of the libraries that only a load test needs (the `loadtest` extra)."""

from __future__ import annotations

import importlib
from typing import Any


class ExtraMissing(Exception):
    """A library of the `loadtest` extra is not installed."""

    def __init__(self, module: str) -> None:
        super().__init__(f"this needs {module}: pip install 'affinity-matcher[loadtest]'")


def extra(module: str) -> Any:
    """Import a module of the `loadtest` extra; raise ExtraMissing, which says what to install, where it is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise ExtraMissing(error.name) from None


def check_extras(*modules: str) -> None:
    """Raise ExtraMissing if a module is not installed, so that a load test fails before it starts anything."""
    for module in modules:
        extra(module)
