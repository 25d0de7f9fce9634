"""A store whose clock goes back: the verbs read the time that it would have."""

from __future__ import annotations

from typing import Any, Final

import pytest

from matcher.store.redis import functions
from matcher.store.redis.client import StoreClient
from matcher.store.redis.verb_call import VerbCall

HOUR_MS: Final = 3_600_000
CLOCK: Final = "local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])"
"""The line of lua/prelude.lua that every verb's time comes from."""


async def step_back(monkeypatch: pytest.MonkeyPatch, connection: StoreClient, step_ms: int) -> None:
    """Let every verb of a connection run by a clock that has gone back; the lifetimes of keys go by the true clock."""
    name, stepped = functions.digest(), f"{functions.digest()}back{step_ms}"
    code = functions.code()
    assert code.count(CLOCK) == 1
    library = code.replace(CLOCK, f"{CLOCK} - {step_ms * 1000}").replace(name, stepped)
    await connection._run_on_primaries("FUNCTION LOAD", library)

    async def verb(call: VerbCall) -> list[Any]:
        keys, args = call.packed()
        function = functions.function(call.verb).replace(name, stepped)
        answer: list[Any] = await connection._run(("FCALL", function, len(keys), *keys, *args), call.verb)
        return answer

    monkeypatch.setattr(connection, "verb", verb)
