"""A viewing: what a visitor of the page Live shares with others of the same rights, kept in this process."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from matcher.web.console.pages.live.drawing import Drawn, Pencil
from matcher.web.console.pages.live.follower import Follower, Followers
from matcher.web.console.visitor import Visitor

PAGES_KEPT: Final = 32


@dataclass(slots=True)
class Viewing:
    """The floor, its pencil, and the pages that were sent lately: a stream goes on where its page is."""

    follower: Follower
    pencil: Pencil
    _sent: OrderedDict[str, Drawn] = field(default_factory=OrderedDict)

    def remember(self, token: str, drawn: Drawn) -> None:
        """Keep what a page shows."""
        self._sent[token] = drawn
        while len(self._sent) > PAGES_KEPT:
            self._sent.popitem(last=False)

    def recall(self, token: str) -> Drawn | None:
        """Return what a page shows whose stream begins, once: a stream that comes back later gets everything."""
        return self._sent.pop(token, None)


@dataclass(slots=True)
class Viewings:
    """All viewings of this process."""

    followers: Followers = field(default_factory=Followers)
    _of: dict[Follower, Viewing] = field(default_factory=dict)

    def of(self, visitor: Visitor) -> Viewing:
        """Return what a visitor looks at."""
        follower = self.followers.of(visitor.access, visitor.site)
        for gone in [other for other in self._of if not self.followers.runs(other)]:
            del self._of[gone]
        if follower not in self._of:
            self._of[follower] = Viewing(follower, Pencil(visitor.templates))
        return self._of[follower]

    async def close(self) -> None:
        """End the followers."""
        await self.followers.close()


def viewing_of(visitor: Visitor) -> Viewing:
    """Return what a visitor looks at."""
    return visitor.shelf.get(Viewings, Viewings).of(visitor)
