"""Double of a service: records every call, and returns the answer that a test sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

NOW_MS = 1_795_000_000_123


@dataclass
class Double:
    """Records every call as (method, arguments); raises `fault`, or returns the method's entry in `answers`."""

    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    fault: BaseException | None = None

    def record(self, method: str, default: T, *arguments: object) -> T:
        """Record a call, and return its answer."""
        self.calls.append((method, arguments))
        if self.fault is not None:
            raise self.fault
        answer: T = self.answers.get(method, default)
        return answer
