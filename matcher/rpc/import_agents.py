"""ImportAgents: a config, then rows, each answered when it is done and in their order, then an end.

A client that dies in mid-stream looks like one that finished: gRPC ends the stream, and reports only later that the
call was cancelled. So nothing is pruned without an explicit `end`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, aclosing
from typing import Final, TypeVar

from matcher.errors import FieldsInvalid, FieldViolation, MessageTooLarge
from matcher.model import ImportAction, ImportedRow, ImportResult
from matcher.rpc import convert, resource_names
from matcher.rpc.body_limits import AGENT_BYTES, BATCH_BYTES
from matcher.rpc.ports import ImportService
from matcher.rpc.validation import imports as check
from matcher.v1 import roster_pb2 as pb

T = TypeVar("T")

CONFIG_SECONDS: Final = 30.0
"""How long an import may take to its first step, which needs nothing but its site."""
SILENT_SECONDS: Final = 600.0
"""How long an import may take from one step to the next: a program that reads a slow source has time, and a caller who
never goes on does not keep one of the few places."""
MOST_ROWS: Final = 64
"""Rows that are encoded and written together: a larger batch of the encoder gains nothing."""
MOST_AHEAD_BYTES: Final = BATCH_BYTES
"""Bytes of frames that are read ahead of the rows that are written; one frame at least."""
MOST_AGENTS: Final = 1_000_000
"""Agents of one import: it remembers the id of each, for `prune` and to notice one that is given twice."""


async def answers(
    imports: ImportService,
    steps: AsyncIterator[pb.ImportAgentsRequest],
    of_site: Callable[[str], AbstractContextManager[None]],
) -> AsyncGenerator[pb.ImportAgentsResponse, None]:
    """Yield the result of every row, and of every pruned agent; raise FieldsInvalid for a wrong step.

    of_site: gives a place among the imports of a site, which the import keeps to its end.
    """
    running: _Import | None = None
    async with AsyncExitStack() as stack:
        batches = in_batches(_in_time(steps), MOST_ROWS, MOST_AHEAD_BYTES, _size)
        await stack.enter_async_context(aclosing(batches))
        async for batch in batches:
            rows = batch
            if running is None:
                running, rows = _Import(imports, _config(batch[0])), batch[1:]
                stack.enter_context(of_site(running.site))
            for result in await running.write(rows):
                yield convert.import_response(running.site, result)
            running.refuse_wrong_step()
        if running is None:
            raise _wrong_step("config", "is missing")
        for result in await running.finish():
            yield convert.import_response(running.site, result)


async def _in_time(steps: AsyncIterator[pb.ImportAgentsRequest]) -> AsyncIterator[pb.ImportAgentsRequest]:
    """Yield the steps; an import whose next step does not come gives its place back."""
    awaited, seconds = "config", CONFIG_SECONDS
    while True:
        try:
            async with asyncio.timeout(seconds):
                step = await anext(steps, None)
        except TimeoutError:
            raise _wrong_step(awaited, f"did not come within {seconds:g} s") from None
        if step is None:
            return
        yield step
        awaited, seconds = "step", SILENT_SECONDS


class _Import:
    """One running import."""

    def __init__(self, imports: ImportService, config: pb.ImportConfig) -> None:
        self._options = check.options(config)
        self.site = self._options.site
        self._imports = imports
        self._row_of: dict[str, int] = {}
        self._rejected = False
        self._ended = False
        self._wrong: FieldsInvalid | None = None

    async def write(self, steps: Sequence[pb.ImportAgentsRequest]) -> list[ImportResult]:
        """Import the rows of a batch; return one result a row, in the order of the rows."""
        results: list[ImportResult | None] = []
        valid: list[ImportedRow] = []
        for step in steps:
            if self._wrong is not None:
                break
            if not self._is_row(step):
                continue
            checked = self._check(step.row)
            results.append(checked if isinstance(checked, ImportResult) else None)
            if isinstance(checked, ImportedRow):
                valid.append(checked)
        written = iter(
            await self._imports.import_agents(self.site, valid, self._options.validate_only) if valid else ()
        )
        in_order = [next(written) if result is None else result for result in results]
        self._rejected = self._rejected or any(result.action is ImportAction.REJECTED for result in in_order)
        return in_order

    def refuse_wrong_step(self) -> None:
        """Raise FieldsInvalid, if a step was wrong at its place; the rows before it are answered already."""
        if self._wrong is not None:
            raise self._wrong

    async def finish(self) -> list[ImportResult]:
        """Remove the agents that no row named, where the config says `prune` and no row was rejected.

        Raises PruneTooLarge; no agent is removed then.
        """
        if not self._options.prune or self._rejected:
            return []
        if not self._ended:
            raise _wrong_step("end", "is missing; no agent was removed")
        return await self._imports.prune(
            self.site, frozenset(self._row_of), self._options.max_removed, self._options.validate_only
        )

    def _is_row(self, step: pb.ImportAgentsRequest) -> bool:
        """Return whether the step is a row; note the end, and a step that is wrong at this place."""
        kind = step.WhichOneof("step")
        if kind == "end" and not self._ended:
            self._ended = True
        elif self._ended:
            self._wrong = _wrong_step(kind or "step", "comes after the end")
        elif kind is None:
            self._wrong = _wrong_step("step", "is missing")
        elif kind == "config":
            self._wrong = _wrong_step("config", "was given before")
        elif len(self._row_of) >= MOST_AGENTS:
            self._wrong = _wrong_step("row", f"is one too many: an import takes at most {MOST_AGENTS} agents")
        return kind == "row" and self._wrong is None

    def _check(self, row: pb.ImportRow) -> ImportedRow | ImportResult:
        agent = row.agent_id if resource_names.is_id(row.agent_id) else ""
        error: FieldsInvalid | MessageTooLarge
        try:
            if (size := row.ByteSize()) > AGENT_BYTES:
                raise MessageTooLarge(size, AGENT_BYTES)
            return check.row(row, self._options, self._row_of)
        except (FieldsInvalid, MessageTooLarge) as refusal:
            error = refusal
        finally:
            if agent:  # what is no id names no agent, and is not kept
                self._row_of.setdefault(agent, row.row)
        return ImportResult(row=row.row, agent=agent, action=ImportAction.REJECTED, error=error)


def _config(step: pb.ImportAgentsRequest) -> pb.ImportConfig:
    if not step.HasField("config"):
        raise _wrong_step("config", "must be the first step")
    return step.config


def _wrong_step(field: str, description: str) -> FieldsInvalid:
    return FieldsInvalid([FieldViolation(field, description)])


def _size(step: pb.ImportAgentsRequest) -> int:
    return step.ByteSize()


async def in_batches(
    stream: AsyncIterator[T], most: int, most_bytes: int, size: Callable[[T], int]
) -> AsyncGenerator[list[T], None]:
    """Yield the items of `stream` in batches, in order: all that have arrived, at least one and at most `most`.

    Reads at most `most` items and about `most_bytes` ahead, so that a slow consumer slows the sender down, and never
    waits for a batch to fill. An exception of the stream is raised after the items before it were yielded.
    """
    unread = asyncio.Condition()
    arrived: asyncio.Queue[tuple[T, int] | None] = asyncio.Queue()
    ahead = ahead_bytes = 0

    def is_room() -> bool:
        return ahead < most and ahead_bytes < most_bytes

    async def read() -> None:
        nonlocal ahead, ahead_bytes
        async for item in stream:
            of_item = size(item)
            ahead, ahead_bytes = ahead + 1, ahead_bytes + of_item
            arrived.put_nowait((item, of_item))
            if not is_room():
                async with unread:
                    await unread.wait_for(is_room)

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: arrived.put_nowait(None))
    try:
        while (first := await arrived.get()) is not None:
            batch = [first]
            ended = False
            while len(batch) < most and not arrived.empty() and not ended:
                following = arrived.get_nowait()
                ended = following is None
                if following is not None:
                    batch.append(following)
            ahead, ahead_bytes = ahead - len(batch), ahead_bytes - sum(of_item for _, of_item in batch)
            async with unread:
                unread.notify_all()
            yield [item for item, _ in batch]
            if ended:
                break
        await reader
    finally:
        reader.cancel()
