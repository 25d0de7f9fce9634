"""A load test from the command line: prepares its texts and its service, runs its plan, writes its report files."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from matcher.cli.call_errors import describe
from matcher.cli.demo_messages import read_messages
from matcher.cli.demo_service import RunningService, running_service
from matcher.cli.file_access import form_of, read_bytes
from matcher.cli.loadtest_display import Display, print_summary
from matcher.cli.session import CommandError, Session
from matcher.client import MatcherCallError
from matcher.files.roster_file import read_roster
from matcher.loadtest import extras, material, plan, run
from matcher.loadtest.generators import GeneratorFailed
from matcher.loadtest.result import Result, sum_up
from matcher.loadtest.site import RowRefused
from matcher.v1 import roster_pb2


async def run_plan(
    session: Session,
    load_plan: plan.Plan,
    target: plan.Target | None,
    workers: int,
    *,
    messages: Path | None,
    roster: Path | None,
    json_file: Path | None,
    html_file: Path | None,
) -> None:
    """Run a plan against a target (None: a service started for it), print the summary, and write the files."""
    try:
        extras.check_extras("hdrh.histogram", *(("jinja2", "matplotlib") if html_file else ()))
        result = await _run(session, load_plan, _material(load_plan, messages, roster), target, workers)
    except (plan.PlanWrong, extras.ExtraMissing, RowRefused, GeneratorFailed, run.NoLoneCall) as error:
        raise CommandError(str(error)) from None
    except MatcherCallError as error:
        raise CommandError(describe(error, session.target if target is None else target.address)) from None
    except OSError as error:
        raise CommandError(f"/metrics of the service cannot be read: {error}") from None
    print_summary(session.out, result)
    if json_file:
        _write(session, json_file, json.dumps(result.as_json(), indent=1))
    if html_file:
        # Imported after the run, because matplotlib takes a while to import.
        from matcher.loadtest.page import html

        _write(session, html_file, html(result))


async def _run(
    session: Session, load_plan: plan.Plan, drawn: run.Material, target: plan.Target | None, workers: int
) -> Result:
    with Display(session.err, load_plan) as display:
        watcher = run.Watcher(session.note, display.steps, display.second)
        async with _service(session, target, workers) as service:
            where = target or plan.Target(service.target)
            return sum_up(await run.run_load(load_plan, where, drawn, watcher, service.metrics))


@asynccontextmanager
async def _service(session: Session, target: plan.Target | None, workers: int) -> AsyncIterator[RunningService]:
    if target is not None:
        # SIGTERM cancels the task, so that the site is still deleted; `running_service` sets a handler of its own.
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        yield RunningService(target.address, ())
        return
    session.note("starting the service", style="dim")
    settings = {"MATCHER_METRICS_LISTEN": "127.0.0.1:0", "MATCHER_WORKERS": str(workers), "MATCHER_LOG_LEVEL": "info"}
    async with running_service(lambda step: session.note(f"  {step}", style="dim"), settings) as service:
        yield service


def _material(load_plan: plan.Plan, messages: Path | None, roster: Path | None) -> run.Material:
    count = run.texts_needed(load_plan)
    if messages is None:
        texts = material.made_messages(count, load_plan.seed)
    else:
        texts = material.drawn_messages([message.text for message in read_messages(messages)], count, load_plan.seed)
        if not texts:
            raise CommandError(f"{messages} has no message")
    if roster is None:
        return run.Material(texts, material.made_interests())
    roster_file = read_roster(read_bytes(str(roster)), form_of(str(roster), None), "default", roster_pb2.ONLINE)
    if roster_file.bad:
        first = roster_file.bad[0]
        reasons = "; ".join(f"{violation.field} {violation.description}" for violation in first.violations)
        raise CommandError(f"{roster} line {first.line}: {reasons}")
    return run.Material(texts, [interest for row in roster_file.good for interest in row.agent.interests])


def _write(session: Session, path: Path, text: str) -> None:
    """Write a file completely or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(text + "\n", "utf-8")
        part.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
    session.note(f"wrote {path}", style="dim")
