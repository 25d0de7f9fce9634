"""A shelf: what pages keep in this process between requests, made when it is first asked for, closed at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar


class Kept(Protocol):
    """Something that is kept, and ends with the process."""

    async def close(self) -> None:
        """End what is running."""


K = TypeVar("K", bound=Kept)


@dataclass(slots=True)
class Shelf:
    """One thing of each kind."""

    _things: dict[type[Kept], Kept] = field(default_factory=dict)

    def get(self, kind: type[K], make: Callable[[], K]) -> K:
        """Return the thing of a kind."""
        thing = self._things.get(kind)
        if not isinstance(thing, kind):
            thing = self._things[kind] = make()
        return thing

    async def close(self) -> None:
        """End everything."""
        for thing in self._things.values():
            await thing.close()
        self._things.clear()
