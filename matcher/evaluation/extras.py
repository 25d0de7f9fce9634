"""Imports of the libraries that only an evaluation needs (the `evaluate` extra)."""

from __future__ import annotations

import importlib
from typing import Any


class ExtraMissing(Exception):
    """A library of the `evaluate` extra is not installed."""

    def __init__(self, module: str) -> None:
        super().__init__(f"this needs {module}: pip install 'affinity-matcher[evaluate]'")


def extra(module: str) -> Any:
    """Import a module of the `evaluate` extra; raise ExtraMissing, which says what to install, where it is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise ExtraMissing(error.name) from None
