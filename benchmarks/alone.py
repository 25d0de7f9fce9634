"""The command line of a single subject: `python -m benchmarks.search --size tiny`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from benchmarks.machine import keep_to_two_cores
from benchmarks.sizes import Sizes, parser, sizes
from benchmarks.slices import Figures, to_json, void_subjects

Subject = Callable[[Sizes], Coroutine[Any, Any, Figures]]


def say(step: str) -> None:
    """Print a step to stderr; stdout holds the figures."""
    print(f"  {step}", file=sys.stderr, flush=True)


def run_alone(subject: Subject) -> None:
    """Measure one subject at the size that the command line names, and print its figures as JSON."""
    options = parser(subject.__doc__ or "").parse_args()
    keep_to_two_cores()
    figures = uvloop.run(subject(sizes(options.size, options.suite)))
    print(to_json(figures), end="")
    for void in void_subjects(figures):
        say(f"VOID: the A/A arms of {void} differ too much")
