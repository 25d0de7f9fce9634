"""Interests as vectors: encoded patiently, since nobody waits for them as a customer waits for a route."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from matcher.encoder import Encoder, Priority
from matcher.errors import EncoderOverloaded
from matcher.model import Agent, Profile
from matcher.store.codecs import stored_precision
from matcher.store.roster import RosterStore

log = structlog.get_logger(__name__)

LINES_A_CALL: Final = 512


async def encode_interests(encoder: Encoder, lines: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors [lines, dimension] as the store keeps them; a full encoder is asked until it has room."""
    parts = [
        await _encode(encoder, lines[start : start + LINES_A_CALL]) for start in range(0, len(lines), LINES_A_CALL)
    ]
    return stored_precision(np.concatenate(parts))


async def ensure_vectors(
    store: RosterStore, site: str, encoder: Encoder, agents: Sequence[Agent]
) -> list[NDArray[np.float32]]:
    """Return agents' interest vectors [interests, dimension]: the stored ones, else computed and stored."""
    stored = await store.vectors(site, encoder.fingerprint, agents, encoder.dimension)
    missing = [agent for agent, rows in zip(agents, stored, strict=True) if rows is None]
    if not missing:
        return [rows for rows in stored if rows is not None]
    lines = [line for agent in missing for line in agent.profile.interests]
    encoded = await encode_interests(encoder, lines)
    ends = np.cumsum([len(agent.profile.interests) for agent in missing])
    computed = dict(zip((agent.id for agent in missing), np.split(encoded, ends[:-1]), strict=True))
    await store.put_vectors(site, encoder.fingerprint, [(agent, computed[agent.id]) for agent in missing])
    log.info("interests encoded", site=site, agents=len(missing), lines=len(lines))
    return [computed[agent.id] if rows is None else rows for agent, rows in zip(agents, stored, strict=True)]


async def _encode(encoder: Encoder, lines: Sequence[str]) -> NDArray[np.float32]:
    while True:
        try:
            return await encoder.encode(lines, priority=Priority.PROFILE)
        except EncoderOverloaded as full:
            await asyncio.sleep(full.retry_after_seconds or 0.2)


async def vectors_for_update(
    store: RosterStore, site: str, encoder: Encoder, wanted: Sequence[tuple[Profile, Agent | None]]
) -> list[NDArray[np.float32]]:
    """Return the vectors [interests, dimension] of profiles, each with the agent as before, None for a new one.

    Those of unchanged interests are the stored ones; the others of all profiles are encoded together.
    """
    known = [before for _, before in wanted if before is not None]
    stored = await store.vectors(site, encoder.fingerprint, known, encoder.dimension)
    rows: dict[str, NDArray[np.float32]] = {}
    for agent, vectors in zip(known, stored, strict=True):
        if vectors is not None:
            rows |= zip(agent.profile.interests, vectors, strict=True)
    new = list(dict.fromkeys(line for profile, _ in wanted for line in profile.interests if line not in rows))
    if new:
        rows |= zip(new, await encode_interests(encoder, new), strict=True)
    return [np.stack([rows[line] for line in profile.interests]) for profile, _ in wanted]
