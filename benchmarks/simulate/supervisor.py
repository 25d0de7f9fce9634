"""The supervisor: assigns contacts that nobody has, above the agents' capacity too."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress

from benchmarks.simulate import calls
from benchmarks.simulate import history as h
from benchmarks.simulate.facts import NOBODYS
from benchmarks.simulate.gateway import Gateway, NoAnswer, Refused
from matcher.model.lifecycle import ContactState


class Supervisor:
    """Plays the supervisor of all pools."""

    def __init__(
        self, gateway: Gateway, desks: Sequence[h.Desk], states: Mapping[str, ContactState], pause: float, seed: int
    ) -> None:
        """states: the last reported state of each contact; pause: mean seconds between two assignments."""
        self._gateway = gateway
        self._desks = desks
        self._states = states
        self._pause = pause
        self._rng = random.Random(seed)

    async def assign(self) -> None:
        """Assign a contact that is nobody's to any agent, again and again."""
        while True:
            await asyncio.sleep(self._rng.expovariate(1 / self._pause))
            nobodys = [contact for contact, state in self._states.items() if state in NOBODYS]
            if nobodys:
                # The contact may have an agent by now, and the agent may be removed.
                with suppress(Refused, NoAnswer):
                    await calls.assign(self._gateway, self._rng.choice(nobodys), self._rng.choice(self._desks).agent)
