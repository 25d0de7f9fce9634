"""The running service: its health, and what its metrics say of lag, faults and refusals since it started."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from matcher.config import Settings
from matcher.loadtest.service_metrics import Page, read_page, read_text
from matcher.rpc.health import SERVICES
from matcher.server.doctor.findings import Finding, fail, ok, warn

HEALTH_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 5.0
"""A follower hears from the store every 2 s, also where nothing happens."""
BEHIND_SECONDS: Final = 300.0
MOST_WAITING: Final = 1_000
"""Changes that a large import leaves for a second or two; more is a follower that does not come along."""
SLOW_SHARE: Final = 0.01
LATE_SECONDS: Final = "0.25"
STORE_SECONDS: Final = "0.025"


async def health(channel: grpc.aio.Channel, target: str) -> Finding:
    """Ask the service whether it takes calls."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=SERVICES[1]), timeout=HEALTH_SECONDS)
    except grpc.aio.AioRpcError as error:
        return fail(
            "service",
            f"no service answers at {target} ({error.code().name})",
            "start it with `matcher serve`, or give --server; with TLS give --tls-ca",
        )
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        return fail(
            "service",
            f"{target} runs and takes no calls",
            'its log says why, in the lines with "event": "health"; the findings about the store may, too',
        )
    return ok("service", f"{target} is SERVING")


async def metrics_text(settings: Settings) -> str:
    """Return the page of metrics; "" where there is none."""
    if not settings.metrics_listen:
        return ""
    try:
        return await asyncio.to_thread(read_text, settings.metrics_listen, settings.metrics_token.get_secret_value())
    except (OSError, ValueError):
        return ""


def metrics(settings: Settings, text: str) -> Iterator[Finding]:
    """Yield what the metrics of the process say."""
    if not settings.metrics_listen:
        yield ok("metrics", "none are served: MATCHER_METRICS_LISTEN is empty")
        return
    if not text:
        yield warn(
            "metrics",
            f"no metrics answer at {settings.metrics_listen}",
            "set MATCHER_METRICS_LISTEN as the service has it",
        )
        return
    page = read_page(text)
    silent = max(page.values("matcher_follower_silent_seconds"), default=0.0)
    if silent > SILENT_SECONDS:
        yield warn(
            "lag",
            f"the changes of a site have not been heard for {silent:.0f} s",
            "is the store away, or the event loop held up? docs/runbook.md, FollowerSilent",
        )
    else:
        yield ok("lag", f"each site's changes were heard {silent:.1f} s ago or later")
    yield from _kept(page)
    yield _share(page, "event loop", "matcher_loop_lag_seconds", LATE_SECONDS, "docs/runbook.md, EventLoopLate")
    yield _share(page, "store time", "matcher_store_seconds", STORE_SECONDS, "docs/runbook.md, StoreSlow")
    for name, about, do in (
        ("matcher_task_faults_total", "faults of background tasks", "docs/runbook.md, BackgroundTaskFailing"),
        ("matcher_contacts_quarantined_total", "contacts set aside", "docs/runbook.md, ContactsSetAside"),
        ("matcher_routes_refused_total", "calls refused for overload", "docs/runbook.md, CallsRefused"),
        ("matcher_quota_refusals_total", "calls refused by quotas", "docs/runbook.md, QuotaUsedUp"),
    ):
        if count := page.sum(name):
            yield warn("metrics", f"{about} since the start: {count:.0f}", do)


def _kept(page: Page) -> Iterator[Finding]:
    """Yield what the process knows of the ledger and of the audit trail: what waits for them, and what they lost."""
    behind = max(page.values("matcher_ledger_lag_seconds"), default=0.0)
    lost, refused = page.sum("matcher_ledger_lost_total"), page.sum("matcher_ledger_refused_total")
    if behind > BEHIND_SECONDS:
        yield warn("ledger", f"a site's steps have waited for it for {behind:.0f} s", "docs/runbook.md, LedgerBehind")
    if lost or refused:
        do = "docs/runbook.md, LedgerGap and LedgerRefuses"
        yield warn("ledger", f"steps that it lacks since the start: {lost:.0f} lost, {refused:.0f} refused", do)
    waiting, lost = page.sum("matcher_audit_trail_waiting"), page.sum("matcher_audit_trail_lost_total")
    if lost:
        do = "`matcher audit verify`; docs/runbook.md, AuditTrailLost"
        yield warn("audit trail", f"changes that it lacks since the start: {lost:.0f}", do)
    elif waiting > MOST_WAITING:
        do = "docs/runbook.md, AuditTrailBehind"
        yield warn("audit trail", f"{waiting:.0f} changes wait for it", do)
    else:
        yield ok("audit trail", f"{waiting:.0f} changes wait for it, none was lost since the start")


def _share(page: Page, about: str, name: str, bound: str, do: str) -> Finding:
    """Return how many of a histogram's observations were above a bound."""
    count = page.sum(f"{name}_count")
    above = count - page.sum(f"{name}_bucket", le=bound)
    share = above / count if count else 0.0
    found = f"{share:.2%} of {count:.0f} took longer than {bound} s since the start"
    return warn(about, found, do) if share > SLOW_SHARE else ok(about, found)
