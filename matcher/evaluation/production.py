"""What serves, opened without a store: encoder, scorer, floors, and the index of a suite's roster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from matcher.affinity.lexicon import stems
from matcher.affinity.scorer import Scorer
from matcher.affinity.scorer_file import load_scorer
from matcher.affinity.search_result import SearchResult
from matcher.affinity.sentences import split
from matcher.config import Settings
from matcher.encoder import EncoderSettings, open_encoder
from matcher.evaluation.suite import Suite, SuiteAgent
from matcher.evaluation.vector_cache import KnownTexts
from matcher.index import Query, SiteIndex
from matcher.model import DEFAULT_POOL, Agent, Capacity, ChannelCapacity, Profile, Requirements
from matcher.model.lifecycle import AgentStatus
from matcher.replica.affinity_floors import AffinityFloors
from matcher.routing.encoded_message import EncodedMessage

ANYONE = Requirements()


Progress = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Shows a long step by its label and total; the context gives what is to be called once for each thing done."""


@dataclass(frozen=True, slots=True)
class Production:
    """Hold what a route goes through, and the texts read so far."""

    texts: KnownTexts
    scorer: Scorer
    floors: AffinityFloors
    tolerance: float
    learned_from: tuple[str, ...] = ()
    """The suites that the scorer was learned from, as its file names them."""

    def with_scorer(self, scorer: Scorer) -> Production:
        """Return the same with another scorer; floors are computed anew for each index."""
        return replace(self, scorer=scorer, learned_from=())

    async def learn(self, texts: Iterable[str], label: str, progress: Progress) -> None:
        """Encode what is not known yet."""
        unknown = self.texts.unknown(texts)
        if unknown:
            with progress(label, len(unknown)) as step:
                await self.texts.learn(unknown, step)

    async def learn_suite(self, suite: Suite, progress: Progress) -> None:
        """Encode a suite's interests and the units of its messages."""
        texts = {interest for agent in suite.agents for interest in agent.interests}
        for message in suite.messages:
            texts.update(split(message.text).texts(message.text))
        await self.learn(texts, f"{suite.name}: encoding", progress)

    def read(self, text: str) -> EncodedMessage:
        """Return a message as the router reads it."""
        units = split(text)
        texts = units.texts(text)
        return EncodedMessage(units, self.texts.vectors(texts), [stems(one) for one in texts])

    def index(self, agents: Iterable[SuiteAgent], *, capacity: int = 1) -> SiteIndex:
        """Return the index of a roster where everybody is online and the first has been idle longest."""
        index = SiteIndex(self.scorer, self.texts.encoder.dimension)
        limit = Capacity(total=capacity, channels={ANYONE.channel: ChannelCapacity(cost=1)})
        for number, agent in enumerate(agents, start=1):
            profile = Profile(agent.display_name, agent.interests, capacity=limit)
            known = Agent(agent.id, profile, AgentStatus.ONLINE, 1, 1, 0, 0, idle_since_ms=number)
            index.put(known, self.texts.vectors(agent.interests))
        return index

    async def floor(self, index: SiteIndex) -> float:
        """Return the floor of an index's default pool."""
        return await self.floors.of(index, DEFAULT_POOL)


def find(index: SiteIndex, read: EncodedMessage, *, max_idle: int = 1) -> SearchResult:
    """Search an index for a message that asks for nothing special."""
    return index.find(Query(read.vectors, read.stems), ANYONE, max_idle=max_idle)


@asynccontextmanager
async def open_production(settings: Settings, say: Callable[[str], None]) -> AsyncIterator[Production]:
    """Open the encoder as the service does, with its precision, and the scorer that serves.

    Raises ModelUnusable when the model cannot be loaded, ScorerFileWrong when the scorer cannot.
    """
    encoder = await open_encoder(
        EncoderSettings(
            cache_dir=settings.models_dir,
            model=settings.model,
            runtime=settings.encoder_runtime,
            threads=settings.encoder_threads,
        ),
        say,
    )
    try:
        scorer, provenance = load_scorer(settings.scorer, encoder.fingerprint)
        floors = await AffinityFloors.open(encoder)
        try:
            learned_from = provenance.suites if provenance else ()
            yield Production(KnownTexts(encoder), scorer, floors, settings.affinity_tolerance, learned_from)
        finally:
            await floors.close()
    finally:
        await encoder.close()
