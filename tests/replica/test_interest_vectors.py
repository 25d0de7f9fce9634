"""Vectors of interests: zeros for one that says nothing, and computed again where the store has those of before."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np

from matcher.model import DEFAULT_POOL, Agent, PoolPolicy, Profile, SilentInterest, SilentReason
from matcher.replica.interest_vectors import encode_interests, ensure_vectors, silent_interests
from matcher.store.redis.client import StoreClient
from matcher.store.roster import MUST_NOT_EXIST, RosterStore
from matcher.store.sites import SiteStore
from tests.state_machine.words import WordEncoder

INTERESTS = ("I keep bees", "กระต่าย", "🎷", "Hello!")


class LatinWords(WordEncoder):
    """A model that knows no Thai."""

    def unknown(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return the places of Thai signs."""
        return [[(at, at + 1) for at, sign in enumerate(text) if "\u0e00" <= sign <= "\u0eff"] for text in texts]


async def test_an_interest_that_says_nothing_has_a_vector_of_zeros() -> None:
    """So its cosine with every message is 0; an emoji has the vector of its name."""
    encoder = LatinWords()
    vectors = await encode_interests(encoder, INTERESTS)
    assert np.linalg.norm(vectors, axis=1).round(2).tolist() == [1.0, 0.0, 1.0, 0.0]
    assert np.allclose(vectors[2], (await encoder.encode(["saxophone"]))[0], atol=1e-3)
    assert silent_interests(encoder, INTERESTS) == (
        SilentInterest("กระต่าย", SilentReason.UNKNOWN_TO_MODEL),
        SilentInterest("Hello!", SilentReason.SMALL_TALK),
    )


async def test_vectors_of_before_are_computed_again_only_where_the_compared_text_differs(store_url: str) -> None:
    """A roster that the tree before wrote is read: its plain interests keep their vectors, the others get new ones."""
    connection = StoreClient(store_url)
    await connection.start()
    sites, site = SiteStore(connection, 100), f"s{secrets.token_hex(6)}"
    try:
        roster, encoder = RosterStore(connection, 100), LatinWords()
        await sites.found(site, "test", listed=False)
        await roster.put_pool(site, DEFAULT_POOL, PoolPolicy(), MUST_NOT_EXIST)
        before = np.full((1, encoder.dimension), 0.25, np.float32)
        written = [
            await _written(roster, site, name, interest, encoder.fingerprint, before)
            for name, interest in (("bea", "I keep bees"), ("tim", "🎷"))
        ]
        plain, emoji = await ensure_vectors(roster, site, encoder, written)
        assert np.array_equal(plain, before)
        assert np.allclose(emoji, await encode_interests(encoder, ["saxophone"]))
    finally:
        await sites.delete(await sites.begin_deletion(site, force=True))
        await connection.close()


async def _written(
    roster: RosterStore,
    site: str,
    name: str,
    interest: str,
    model: str,
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> Agent:
    return await roster.put_agent(
        site,
        name,
        Profile(name, (interest,)),
        None,
        model=model,
        vectors=vectors,
        expected=MUST_NOT_EXIST,
        pools_before=(),
    )
