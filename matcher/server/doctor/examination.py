"""Examination of an installation: every check, in an order in which a cause comes before what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field

import grpc

from matcher.config import Settings, explain
from matcher.server.doctor import machine, serving, stores
from matcher.server.doctor.callers import callers
from matcher.server.doctor.findings import Finding, ok, warn
from matcher.server.doctor.ledgers import ledger
from matcher.server.doctor.models import models
from matcher.server.private_interfaces import private_interfaces
from matcher.store.examination import StoreFacts


@dataclass(slots=True)
class Examination:
    """All findings, and what they were made from; facts None: the store was not read."""

    findings: list[Finding] = field(default_factory=list)
    facts: StoreFacts | None = None
    metrics: str = ""


async def examine_installation(settings: Settings, channel: grpc.aio.Channel, target: str) -> Examination:
    """Look at everything that the service of these settings needs; change nothing.

    channel, target: to the service, which need not run. Takes seconds, also where nothing answers.
    """
    made = Examination()
    made.findings.append(_settings())
    made.findings += machine.versions()
    made.findings += [
        warn(
            "versions", f"{one.library} has no more {one.what}: {one.instead}", "install the versions of pyproject.toml"
        )
        for one in private_interfaces()
        if not one.fits
    ]
    made.findings += machine.folders(settings)
    made.findings += machine.certificates(settings)
    made.findings += [finding async for finding in callers(settings)]
    looked = await stores.look_at_store(settings)
    made.facts = looked.facts
    made.findings += looked.findings
    made.findings += [finding async for finding in ledger(settings)]
    made.findings += [finding async for finding in models(settings)]
    made.findings.append(await serving.health(channel, target))
    made.metrics = await serving.metrics_text(settings)
    if made.metrics or made.findings[-1].state == "ok":
        made.findings += serving.metrics(settings, made.metrics)
    return made


def _settings() -> Finding:
    given = [row.env for row in explain() if row.source != "default"]
    return ok("settings", f"{len(given)} are given: {', '.join(given)}" if given else "all are defaults")
