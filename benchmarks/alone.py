"""Run one subject by itself: `python -m benchmarks.search --size tiny`."""

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
    """Tell what is being done, on stderr: stdout holds figures."""
    print(f"  {step}", file=sys.stderr, flush=True)


def run_alone(subject: Subject) -> None:
    """Measure one subject by the command line's size and print its figures as JSON."""
    given = parser(subject.__doc__ or "").parse_args()
    keep_to_two_cores()
    figures = uvloop.run(subject(sizes(given.size, given.suite)))
    print(to_json(figures), end="")
    for void in void_subjects(figures):
        say(f"VOID: the A/A arm of {void} strayed")
