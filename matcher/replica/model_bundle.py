"""What messages and interests are compared by: one model, and all that belongs to its vectors."""

from __future__ import annotations

from dataclasses import dataclass

from matcher.affinity.scorer_registry import ScorerRegistry
from matcher.encoder import Encoder
from matcher.replica.affinity_floors import AffinityFloors


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """Hold a model's encoder, the scorers of its vectors and the floors by both.

    A call takes all three from the replica it began with, so that vectors of two models never meet.
    """

    encoder: Encoder
    scorers: ScorerRegistry
    floors: AffinityFloors

    @property
    def model(self) -> str:
        """Return the fingerprint of the model."""
        return self.encoder.fingerprint

    async def close(self) -> None:
        """Stop encoding and computing floors."""
        await self.floors.close()
        await self.encoder.close()
