"""The verbs of the processes on the store: their registry, and the schema that they agree on."""

from __future__ import annotations

from typing import ClassVar

from matcher.store.redis.verb_call import Answers, Key, VerbCall


class Register(VerbCall, frozen=True, kw_only=True):
    """Writes a live process, or that it lives on, and forgets those that have been silent.

    live: the schema of the data ("" where there is none), and the live processes: id, record, id, record, …
    """

    schema: Key
    processes: Key
    process_id: str
    newest: int
    """The newest schema that the process reads."""
    record: bytes
    lifetime_ms: int

    in_a_life: ClassVar[bool] = False
    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"live": ("schema", "processes")}


class RaiseSchema(VerbCall, frozen=True, kw_only=True):
    """Raises the schema of the data, unless a live process does not read it. It never lowers it.

    held: the ids of the processes that do not read it, with a blank between two.
    """

    schema: Key
    processes: Key
    to: int
    force: int
    """1: also where a live process does not read it."""

    in_a_life: ClassVar[bool] = False
    answers: ClassVar[Answers] = {"ok": ("schema",), "held": ("ids",)}
