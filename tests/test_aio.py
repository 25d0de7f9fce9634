"""Background tasks: a fault starts a task again, is reported, and is known to the health of the process."""

from __future__ import annotations

import asyncio

import pytest

from matcher import aio
from matcher.aio import BackgroundTasks, cancel_and_wait


async def test_a_task_that_fails_is_started_again_and_its_fault_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two faults, then the task does its work: nothing waits for a person."""
    monkeypatch.setattr(aio, "FIRST_PAUSE_SECONDS", 0.0)
    faults: list[tuple[str, str]] = []
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise ValueError(str(runs))

    tasks = BackgroundTasks(lambda name, fault: faults.append((name, str(fault))))
    await tasks.start("expire acme", work)
    assert faults == [("expire acme", "1"), ("expire acme", "2")]
    assert tasks.failing == []


async def test_a_task_that_fails_again_and_again_is_named_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the third fault in a row on the health of the process can name the task."""
    monkeypatch.setattr(aio, "FIRST_PAUSE_SECONDS", 0.0)
    reached = asyncio.Event()
    faults: list[int] = []

    def on_fault(_name: str, _fault: Exception) -> None:
        faults.append(len(tasks.failing))
        if len(faults) == 4:
            reached.set()

    async def work() -> None:
        raise ValueError

    tasks = BackgroundTasks(on_fault)
    task = tasks.start("dispatch acme", work)
    await reached.wait()
    assert faults == [0, 0, 1, 1]
    assert tasks.failing == ["dispatch acme"]
    await cancel_and_wait(task)
    assert tasks.failing == []


async def test_a_task_that_runs_healthily_is_not_failing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The health is good again while the task still runs."""
    monkeypatch.setattr(aio, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(aio, "HEALTHY_SECONDS", 0.01)
    monkeypatch.setattr(aio, "FAILING_FAULTS", 1)
    failed = asyncio.Event()

    async def work() -> None:
        if not failed.is_set():
            failed.set()
            raise ValueError
        await asyncio.Event().wait()

    tasks = BackgroundTasks()
    task = tasks.start("readiness", work)
    await failed.wait()
    while tasks.failing:  # noqa: ASYNC110 - nothing says when a task has become healthy
        await asyncio.sleep(0.001)
    assert not task.done()
    await cancel_and_wait(task)
