"""Model bundle: the encoder of one model, with all that belongs to its vectors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from matcher.affinity.scorer_registry import ScorerRegistry
from matcher.encoder import Encoder
from matcher.index import SiteIndex
from matcher.model import Pool
from matcher.replica.affinity_floors import AffinityFloors


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A model's encoder, the scorers of its vectors and the floors by both.

    A call uses the bundle of the replica that it began with, so that vectors of two models are never compared.
    """

    encoder: Encoder
    scorers: ScorerRegistry
    floors: AffinityFloors

    @property
    def model(self) -> str:
        """Return the fingerprint of the model."""
        return self.encoder.fingerprint

    async def adopt_scorer(self, index: SiteIndex, pool: Pool, is_current: Callable[[], bool] = lambda: True) -> None:
        """Set the scorer that a pool's policy names, once its floors and the pool's rows are prepared for it.

        is_current: asked then, on the event loop, whether the policy still names the scorer.
        """
        scorer = await asyncio.to_thread(self.scorers.serving, pool.policy.scorer)
        await self.floors.prepare(scorer)
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, index.prepared(pool.id, scorer))
            if is_current():
                index.set_scorer(pool.id, scorer)

    async def close(self) -> None:
        """Stop encoding and computing floors."""
        await self.floors.close()
        await self.encoder.close()
