"""Absolute floors: what texts that say nothing about a person reach with thousands of interests, by language."""

from __future__ import annotations

import asyncio
import hashlib
import math
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog

from matcher.affinity.interest_stock import interest_stock
from matcher.affinity.scorer import Scorer
from matcher.affinity.small_talk import measured_sentences, support_texts
from matcher.encoder import Encoder, Vectors
from matcher.index import SiteIndex
from matcher.model import DEFAULT_POOL, Agent, Profile
from matcher.model.lifecycle import AgentStatus
from matcher.ranking.floors import Floors, floor_of
from matcher.replica.floor_texts import FloorText, floor_texts
from matcher.replica.interest_vectors import encode_interests

log = structlog.get_logger(__name__)

SHARE: Final = 0.98
"""The share of small talk and support texts of a language that stays below its absolute floor."""

HELD: Final = 4
"""Interests of each agent of the stock, as many as agents often have."""

MEASURED_AS: Final = "units and whole"
"""What is compared of a text; a change of it makes kept floors invalid."""

MOST_KEPT: Final = 32
"""Scorers whose floors a file keeps: the last ones."""


class _Stock(NamedTuple):
    """The encoded interests of the stock and the encoded texts by language."""

    interests: tuple[str, ...]
    vectors: Vectors
    texts: Mapping[str, list[FloorText]]


class AbsoluteFloors:
    """Compute the floors of one model, once for each scorer, and keep them in a file beside the compiled model.

    To compute them takes some 10 s of the encoder, mostly for the interests of the stock; to read them no time.
    """

    def __init__(self, encoder: Encoder, folder: Path, *, keep_stock: bool = False) -> None:
        """folder: of the file. keep_stock: keep the encoded interests, 5 MB, for the next scorer."""
        self._encoder = encoder
        self._keep_stock = keep_stock
        self._folder = folder
        self._stock: _Stock | None = None
        self._known: dict[str, Floors] = {}
        self._served: dict[int, tuple[Scorer, Floors]] = {}
        """By the id of a scorer, which is kept beside: to hash a map of megabytes takes 10 ms, and each pool asks."""
        self._lock = asyncio.Lock()

    async def of(self, scorer: Scorer) -> Floors:
        """Return the floors by a scorer. Raises what the encoder raises, except EncoderOverloaded."""
        if (served := self._served.get(id(scorer))) is not None:
            return served[1]
        fingerprint = await asyncio.to_thread(lambda: scorer.fingerprint)
        if fingerprint not in self._known:
            async with self._lock:
                if fingerprint not in self._known:
                    self._known[fingerprint] = await self._read_or_compute(scorer)
        self._served[id(scorer)] = scorer, self._known[fingerprint]
        return self._known[fingerprint]

    async def _read_or_compute(self, scorer: Scorer) -> Floors:
        digest = await asyncio.to_thread(_digest, self._encoder)
        file = self._folder / f"floors-{self._encoder.fingerprint}-{digest}.json"
        kept = await asyncio.to_thread(_read, file)
        fingerprint = await asyncio.to_thread(lambda: scorer.fingerprint)
        if fingerprint in kept:
            return _floors(kept[fingerprint])
        stock = self._stock or await self._encode()
        if self._keep_stock:
            self._stock = stock
        floors = await asyncio.to_thread(_measure, stock, scorer)
        log.info(
            "floors measured",
            scorer=fingerprint,
            **{name: round(floor, 4) for name, floor in floors.by_language.items()},
        )
        await asyncio.to_thread(_write, file, {**kept, fingerprint: floors.by_language})
        return floors

    async def _encode(self) -> _Stock:
        interests = await asyncio.to_thread(interest_stock)
        log.info("measuring what small talk reaches, once for this model and scorer", interests=len(interests))
        texts = {
            language: await floor_texts(self._encoder, language, (*sentences, *support_texts().get(language, ())))
            for language, sentences in measured_sentences().items()
        }
        return _Stock(interests, await encode_interests(self._encoder, interests), texts)


def _measure(stock: _Stock, scorer: Scorer) -> Floors:
    """Return the floors that the texts reach with agents who hold the stock's interests."""
    index = SiteIndex(scorer, stock.vectors.shape[1])
    agents = math.ceil(len(stock.interests) / HELD)
    for number in range(agents):
        # Interests that stand far apart in the stock, so that an agent's are of different topics.
        profile = Profile("", stock.interests[number::agents])
        index.put(Agent(str(number), profile, AgentStatus.ONLINE, 1, 1, 0, 0, 0), stock.vectors[number::agents])
    return _floors(
        {
            language: floor_of(
                index.best_affinities([text.query(scorer.whole) for text in of_language], DEFAULT_POOL), SHARE
            )
            for language, of_language in stock.texts.items()
            if of_language
        }
    )


def _floors(by_language: Mapping[str, float]) -> Floors:
    """Return the floors; that of an unknown language is the lowest: no text may count for less, whatever it is in."""
    return Floors(by_language, min(by_language.values(), default=0.0))


def _digest(encoder: Encoder) -> str:
    """Return 16 hex digits of everything but the model and the scorer that decides the floors."""
    decides = [encoder.runtime, MEASURED_AS, SHARE, HELD, interest_stock(), measured_sentences(), dict(support_texts())]
    return hashlib.sha256(msgspec.json.encode(decides)).hexdigest()[:16]


def _read(file: Path) -> dict[str, dict[str, float]]:
    """Return the floors of a file by scorer and language; none where it is missing or broken."""
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, float]])
    return {}


def _write(file: Path, floors: Mapping[str, Mapping[str, float]]) -> None:
    """Write the floors of the last scorers, completely or not at all; where the disk refuses, only the log says so."""
    last = dict(list(floors.items())[-MOST_KEPT:])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as making:
            making.write(msgspec.json.encode(last))
        Path(making.name).replace(file)
    except OSError as error:
        log.warning("the floors are not kept, and are measured again at the next start", error=type(error).__name__)
