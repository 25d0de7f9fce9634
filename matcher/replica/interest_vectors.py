"""Interest vectors: encodes the interests of agents, at a lower priority than the messages of customers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from matcher.affinity.comparable import comparable, comparable_interests
from matcher.affinity.small_talk import SmallTalk
from matcher.encoder import Encoder, Priority, unknown_words
from matcher.errors import EncoderOverloaded
from matcher.model import Agent, Profile, SilentInterest, SilentReason
from matcher.store.codecs import stored_precision
from matcher.store.roster import RosterStore, TextsOf

log = structlog.get_logger(__name__)

INTERESTS_PER_CALL: Final = 512


def texts_of(encoder: Encoder) -> TextsOf:
    """Return the function that gives what an encoder compares of interests; "" for an interest that says nothing."""
    return lambda interests: comparable_interests(interests, partial(unknown_words, encoder))


def silent_interests(encoder: Encoder, interests: Sequence[str]) -> tuple[SilentInterest, ...]:
    """Return the interests that no message can meet, as long as this encoder serves."""
    texts = comparable(interests, partial(unknown_words, encoder))
    small_talk = SmallTalk.of_pool(())
    reasons = [
        SilentReason.SMALL_TALK if small_talk.is_one(interest) else None if text else SilentReason.UNKNOWN_TO_MODEL
        for interest, text in zip(interests, texts, strict=True)
    ]
    return tuple(
        SilentInterest(interest, reason)
        for interest, reason in zip(interests, reasons, strict=True)
        if reason is not None
    )


async def encode_interests(encoder: Encoder, interests: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors [interests, dimension] as the store keeps them; a full encoder is asked again until it can.

    An interest that says nothing has a vector of zeros: its cosine with every message is 0.
    """
    texts = texts_of(encoder)(interests)
    said = [text for text in texts if text]
    starts = range(0, len(said), INTERESTS_PER_CALL)
    parts = [await encode_patiently(encoder, said[start : start + INTERESTS_PER_CALL]) for start in starts]
    return _rows(encoder, texts, parts)


async def encode_at_once(encoder: Encoder, interests: Sequence[str]) -> NDArray[np.float32]:
    """Return what `encode_interests` does, for a caller who waits for an answer; raise what the encoder raises."""
    texts = texts_of(encoder)(interests)
    said = [text for text in texts if text]
    return _rows(encoder, texts, [await encoder.encode(said)] if said else [])


def _rows(encoder: Encoder, texts: Sequence[str], parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the vectors [texts, dimension] as the store keeps them; parts: those of the texts that are not empty."""
    vectors = np.zeros((len(texts), encoder.dimension), np.float32)
    if parts:
        vectors[[bool(text) for text in texts]] = np.concatenate(parts)
    return stored_precision(vectors)


async def ensure_vectors(
    store: RosterStore, site: str, encoder: Encoder, agents: Sequence[Agent]
) -> list[NDArray[np.float32]]:
    """Return agents' interest vectors [interests, dimension]; where the store has none they are computed and stored."""
    compared = texts_of(encoder)
    stored = await store.vectors(site, encoder.fingerprint, agents, encoder.dimension, compared)
    missing = [agent for agent, rows in zip(agents, stored, strict=True) if rows is None]
    if not missing:
        return [rows for rows in stored if rows is not None]
    interests = [interest for agent in missing for interest in agent.profile.interests]
    encoded = await encode_interests(encoder, interests)
    ends = np.cumsum([len(agent.profile.interests) for agent in missing])
    computed = dict(zip((agent.id for agent in missing), np.split(encoded, ends[:-1]), strict=True))
    await store.put_vectors(
        site, encoder.fingerprint, [(agent, computed[agent.id]) for agent in missing], texts_of=compared
    )
    log.info("interests encoded", site=site, agents=len(missing), lines=len(interests))
    return [computed[agent.id] if rows is None else rows for agent, rows in zip(agents, stored, strict=True)]


async def vectors_for_update(
    store: RosterStore, site: str, encoder: Encoder, updates: Sequence[tuple[Profile, Agent | None]]
) -> list[NDArray[np.float32]]:
    """Return the vectors [interests, dimension] of new profiles, each given with the agent as before, None if new.

    Interests that an agent had before keep their stored vectors; the other interests of all profiles are encoded
    together.
    """
    before = [agent for _, agent in updates if agent is not None]
    stored = await store.vectors(site, encoder.fingerprint, before, encoder.dimension, texts_of(encoder))
    rows: dict[str, NDArray[np.float32]] = {}
    for agent, vectors in zip(before, stored, strict=True):
        if vectors is not None:
            rows |= zip(agent.profile.interests, vectors, strict=True)
    every = (interest for profile, _ in updates for interest in profile.interests)
    new = list(dict.fromkeys(interest for interest in every if interest not in rows))
    if new:
        rows |= zip(new, await encode_interests(encoder, new), strict=True)
    return [np.stack([rows[interest] for interest in profile.interests]) for profile, _ in updates]


async def encode_patiently(encoder: Encoder, texts: Sequence[str], english: bool | None = None) -> NDArray[np.float32]:
    """Return the vectors [texts, dimension], after the messages of customers; a full encoder is asked again."""
    while True:
        try:
            return await encoder.encode(texts, english=english, priority=Priority.PROFILE)
        except EncoderOverloaded as full:
            await asyncio.sleep(full.retry_after_seconds or 0.2)
