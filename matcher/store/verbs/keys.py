"""The verb of the record of keys in use."""

from __future__ import annotations

from typing import ClassVar

from matcher.store.redis.verb_call import Answers, Key, VerbCall


class UseKeys(VerbCall, frozen=True, kw_only=True):
    """Writes which keys are in use. moved: another process has changed that."""

    record: Key
    field: str
    expected: bytes
    """The field as it was read; empty: there was none."""
    in_use: bytes

    in_a_life: ClassVar[bool] = False
    answers: ClassVar[Answers] = {"ok": (), "moved": ()}
