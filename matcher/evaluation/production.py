"""The service's own encoder, scorer, floors and index, opened without a store for an evaluation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from matcher.affinity.compared import ComparedUnits, with_whole
from matcher.affinity.language import ENGLISH
from matcher.affinity.scorer import Scorer
from matcher.affinity.scorer_file import load_scorer
from matcher.affinity.search_result import SearchResult
from matcher.affinity.set_aside import read
from matcher.affinity.small_talk import SmallTalk
from matcher.config import Settings
from matcher.encoder import EncoderSettings, Vectors, halves_of, open_encoder, unknown_words
from matcher.evaluation.suite import Suite, SuiteAgent
from matcher.evaluation.vector_cache import VectorCache
from matcher.index import SiteIndex
from matcher.model import DEFAULT_POOL, Agent, Capacity, ChannelCapacity, Message, PoolPolicy, Profile, Requirements
from matcher.model.lifecycle import AgentStatus
from matcher.ranking.floors import Floors
from matcher.replica.absolute_floors import AbsoluteFloors
from matcher.replica.affinity_floors import AffinityFloors
from matcher.replica.interest_vectors import texts_of
from matcher.replica.text_reading import TEXT_READING
from matcher.routing.encoded_message import EncodedMessage, LateStems, cut_message

ANYONE = Requirements()


Progress = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Shows the progress of a long step by its label and total; the context yields a function to call after each item."""


@dataclass(frozen=True, slots=True)
class Production:
    """The parts of the service that decide a route, and the vectors of the texts encoded so far."""

    cache: VectorCache
    scorer: Scorer
    floors: AffinityFloors
    tolerance: float
    learned_from: tuple[str, ...] = ()
    """The suites that the scorer was learned from, as named in its file."""

    def with_scorer(self, scorer: Scorer) -> Production:
        """Return the same parts with another scorer; floors are computed for each index."""
        return replace(self, scorer=scorer, learned_from=())

    async def encode(
        self,
        texts: Iterable[str],
        label: str,
        progress: Progress,
        *,
        messages: Iterable[str] = (),
        profiles: Iterable[tuple[str, ...]] = (),
    ) -> None:
        """Encode what the cache does not hold: texts as they are, the units of messages and of customers' interests."""
        wanted: dict[bool | None, set[str]] = {None: set(texts), True: set(), False: set()}
        for compared, _ in map(self._compared, set(messages)):
            wanted[compared.language == ENGLISH].update(compared.texts)
            if self.scorer.halves is not None and compared.whole_text:
                wanted[False].add(compared.whole_text)
        for interests in profiles:
            compared, _ = self._compared("", interests)
            wanted[compared.profile_language == ENGLISH].update(compared.profile_texts)
        if not halves_of(self.cache.encoder):
            wanted = {None: set().union(*wanted.values())}
        missing = {english: self.cache.missing(some, english=english) for english, some in wanted.items()}
        if total := sum(map(len, missing.values())):
            with progress(label, total) as step:
                for english, some in missing.items():
                    await self.cache.encode(some, step, english=english)

    async def encode_suite(self, suite: Suite, progress: Progress) -> None:
        """Encode a suite's interests and the units of its messages."""
        texts = {text for agent in suite.agents for text in self.interest_texts(agent.interests) if text}
        messages = (message.text for message in suite.messages)
        await self.encode(texts, f"{suite.name}: encoding", progress, messages=messages)

    def read(self, text: str, interests: Sequence[str] = ()) -> EncodedMessage:
        """Return a message with its customer's interests as the router encodes it; the cache must hold all units."""
        compared, known_stems = self._compared(text, interests)
        vectors = self.cache.vectors(compared.texts, english=compared.language == ENGLISH)
        units = compared.units
        if self.scorer.halves is not None and compared.whole_text:
            units = with_whole(units)
            vectors = np.concatenate([vectors, self.cache.vectors([compared.whole_text], english=False)])
            known_stems.append(())
        if compared.profile_texts:
            vectors = np.concatenate(
                [vectors, self.cache.vectors(compared.profile_texts, english=compared.profile_language == ENGLISH)]
            )
        return EncodedMessage(
            units,
            vectors,
            known_stems,
            language=compared.language,
            whole=self.scorer.whole,
            profile_stems=LateStems(compared.profile_texts),
        )

    def index(self, agents: Iterable[SuiteAgent], *, capacity: int = 1) -> SiteIndex:
        """Return the index of a roster whose agents are all online; the first agent is idle longest."""
        index = SiteIndex(self.scorer, self.cache.encoder.dimension)
        limit = Capacity(total=capacity, channels={ANYONE.channel: ChannelCapacity(cost=1)})
        for number, agent in enumerate(agents, start=1):
            profile = Profile(agent.display_name, agent.interests, capacity=limit)
            indexed = Agent(agent.id, profile, AgentStatus.ONLINE, 1, 1, 0, 0, idle_since_ms=number)
            index.put(indexed, self.interest_vectors(agent.interests))
        return index

    def _compared(self, text: str, interests: Sequence[str] = ()) -> tuple[ComparedUnits, list[tuple[str, ...]]]:
        unknown = partial(unknown_words, self.cache.encoder)
        message = read(Message(text, "", ANYONE, interests=tuple(interests)))
        return cut_message(message, unknown=unknown, small_talk=SmallTalk.of_pool(()))

    def interest_texts(self, interests: Sequence[str]) -> Sequence[str]:
        """Return what is compared of interests; "" for an interest that says nothing."""
        return texts_of(self.cache.encoder)(interests)

    def interest_vectors(self, interests: Sequence[str]) -> Vectors:
        """Return the vectors [interests, dimension] as the service keeps them: zeros where an interest says nothing."""
        texts = self.interest_texts(interests)
        vectors = np.zeros((len(texts), self.cache.encoder.dimension), np.float32)
        if said := [text for text in texts if text]:
            vectors[[bool(text) for text in texts]] = self.cache.vectors(said)
        return vectors

    async def floors_of(self, index: SiteIndex) -> Floors:
        """Return the floors of an index's default pool."""
        return await self.floors.of(index, DEFAULT_POOL)


def search(index: SiteIndex, message: EncodedMessage, *, max_free: int = 1, floor: float = 0.0) -> SearchResult:
    """Search an index for a message without requirements; floor: below it the customer's interests count."""
    return index.find(message.query(floor, PoolPolicy().profile_weight), ANYONE, max_free=max_free)


@asynccontextmanager
async def open_production(settings: Settings, say: Callable[[str], None]) -> AsyncIterator[Production]:
    """Open the encoder as the service does, with its precision, and the service's scorer.

    say: called with each step of the encoder's start. Raises ModelUnusable when the model cannot be loaded,
    ScorerFileWrong when the scorer cannot.
    """
    encoder = await open_encoder(
        EncoderSettings(
            cache_dir=settings.models_dir,
            model=settings.model,
            runtime=settings.encoder_runtime,
            threads=settings.encoder_threads,
        ),
        say,
        reading=TEXT_READING,
    )
    try:
        scorer, provenance = load_scorer(settings.scorer, encoder.fingerprint, halves_of(encoder))
        floors = await AffinityFloors.open(encoder, AbsoluteFloors(encoder, settings.models_dir, keep_stock=True))
        try:
            learned_from = provenance.suites if provenance else ()
            yield Production(VectorCache(encoder), scorer, floors, settings.affinity_tolerance, learned_from)
        finally:
            await floors.close()
    finally:
        await encoder.close()
