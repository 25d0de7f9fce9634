"""Interest map: places the interests of a pool's agents among the lexicon's, off the event loop."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from matcher.affinity.interest_lexicon import packaged
from matcher.affinity.landmarks import Landmarks, Placed, described, places
from matcher.encoder import Encoder
from matcher.index.site_index import SiteIndex
from matcher.model.interest_map import InterestMap, MappedEntry, MappedInterest
from matcher.replica.interest_vectors import encode_patiently
from matcher.replica.site_registry import SiteRegistry

CHUNK: Final = 64
"""Landmarks that are encoded in one call."""
AT_ONCE: Final = 50
"""Agents whose interests are placed before the thread lets others run."""
AGENTS_NAMED: Final = 3

Places = dict[str, Placed | None]


class InterestMapService:
    """Draw the map of a pool's interests. It reads the roster in memory: the store is not asked."""

    def __init__(self, sites: SiteRegistry) -> None:
        self._sites = sites
        self._landmarks: dict[str, Landmarks] = {}
        self._known: dict[str, tuple[str, Places]] = {}
        """The places of each site's interests, under the model that they are of: only new interests are placed."""
        self._one = asyncio.Lock()

    async def interest_map(self, site: str, pool: str, most: int) -> InterestMap:
        """Return the map of a pool with at most `most` interests: those of the most agents first.

        Raises SiteNotFound, PoolNotFound, or what the encoder raises. The first call of a process encodes the
        landmarks, in five seconds of a core, after all messages. Calls wait for each other.
        """
        replica = await self._sites.replica(site)
        await replica.pools.pool(pool)
        async with self._one:
            encoder = replica.matching.encoder
            landmarks = await self._landmarks_of(encoder)
            model, known = self._known.get(site, ("", {}))
            survey = _Survey(pool, landmarks, known if model == encoder.fingerprint else {})
            ids = replica.index.ids()
            for begin in range(0, len(ids), AT_ONCE):
                await asyncio.to_thread(survey.read, replica.index, ids[begin : begin + AT_ONCE])
            self._known[site] = encoder.fingerprint, survey.placed
            return await asyncio.to_thread(survey.drawn, most)

    async def _landmarks_of(self, encoder: Encoder) -> Landmarks:
        if encoder.fingerprint not in self._landmarks:
            texts = described()
            starts = range(0, len(texts), CHUNK)
            parts = [await encode_patiently(encoder, texts[at : at + CHUNK], english=True) for at in starts]
            self._landmarks = {encoder.fingerprint: await asyncio.to_thread(Landmarks, np.concatenate(parts))}
        return self._landmarks[encoder.fingerprint]


@dataclass(slots=True)
class _Survey:
    """The interests of a site, as they are read.

    before: the places that were known; placed: those of the roster as it is now; having: the agents of the pool who
    have each interest; agents: how many agents of the pool were read.
    """

    pool: str
    landmarks: Landmarks
    before: Places
    placed: Places = field(default_factory=Places)
    having: dict[str, list[str]] = field(default_factory=dict)
    agents: int = 0

    def read(self, index: SiteIndex, ids: Sequence[str]) -> None:
        """Place the interests of agents, and note who of the pool has them."""
        for name in ids:
            agent = index.agent(name)
            if agent is None:
                continue
            texts = agent.profile.interests
            if any(text not in self.before and text not in self.placed for text in texts):
                texts, vectors = index.interests(name)
                self.placed.update(zip(texts, self.landmarks.placed(texts, vectors), strict=True))
            for text in texts:
                if text not in self.placed:
                    self.placed[text] = self.before[text]
            if self.pool in agent.profile.pools:
                self.agents += 1
                for text in texts:
                    self.having.setdefault(text, []).append(name)

    def drawn(self, most: int) -> InterestMap:
        """Return the map with at most `most` interests."""
        lexicon = packaged("en")
        ids = tuple(lexicon)
        shown = [(text, place) for text in sorted(self.having, key=self._order) if (place := self.placed[text])]
        near: dict[str, set[str]] = {}
        for text, place in shown:
            near.setdefault(ids[place.nearest], set()).update(self.having[text])
        interests = tuple(
            MappedInterest(text, place.x, place.y, ids[place.nearest], tuple(names[:AGENTS_NAMED]), len(names))
            for text, place in shown[:most]
            for names in (self.having[text],)
        )
        entries = tuple(MappedEntry(id_, lexicon[id_].name, x, y, len(near.get(id_, ()))) for id_, x, y in places())
        return InterestMap(self.pool, interests, entries, len(self.having), len(self.having) - len(shown), self.agents)

    def _order(self, text: str) -> tuple[int, bytes]:
        """Return the order in which interests are shown: by how many have them, then by a digest."""
        return -len(self.having[text]), hashlib.blake2b(text.encode(), digest_size=8).digest()
