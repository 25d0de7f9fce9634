"""The log of refusals: who was denied what, without the request's words, and never a flood."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from matcher.auth.principal import NOBODY, Principal, PrincipalKind, set_principal
from matcher.errors import PermissionDenied, QuotaExceeded
from matcher.rpc.interceptors.refusal_log import MOST_DENIALS, RefusalLog

DELETE = "/matcher.v1.RosterService/DeleteSite"


@pytest.fixture(autouse=True)
def nobody_afterwards() -> Iterator[None]:
    """Leave no principal to the tests that follow."""
    yield
    set_principal(NOBODY)


def denied(log: RefusalLog, name: str, *, times: int = 1) -> None:
    """Deny a principal a call, some times."""
    set_principal(Principal(name, PrincipalKind.KEY, ()))
    for _ in range(times):
        log.note(DELETE, PermissionDenied(DELETE, ["owner"], "sites/my-words"))


def test_a_principal_who_is_denied_all_the_time_leaves_a_line_a_second() -> None:
    """It has principal, method and reason, and no name out of the request."""
    now = 0.0
    log = RefusalLog(clock=lambda: now)
    with capture_logs() as lines:
        for moment in (0.0, 0.5, 1.0):
            now = moment
            denied(log, "crm", times=1_000)
    assert len(lines) == 2
    assert (lines[0]["event"], lines[0]["log_level"]) == ("call_denied", "warning")
    assert (lines[0]["principal"], lines[0]["method"], lines[0]["reason"]) == ("key crm", DELETE, "PERMISSION_DENIED")
    assert "my-words" not in f"{lines}"


def test_many_principals_together_do_not_flood_the_log() -> None:
    """So many lines in a second, of all callers; in the next second there are others."""
    now = 0.0
    log = RefusalLog(clock=lambda: now)
    with capture_logs() as lines:
        for number in range(5_000):
            denied(log, f"p{number}")
        now = 1.0
        denied(log, "late")
    assert len(lines) == MOST_DENIALS + 1
    assert lines[-1]["principal"] == "key late"


def test_each_refusal_by_a_quota_is_counted() -> None:
    """Also those that are not logged."""
    quotas: list[str] = []
    log = RefusalLog(quotas.append, clock=lambda: 0.0)
    with capture_logs() as lines:
        for _ in range(3):
            log.note(DELETE, QuotaExceeded("streams", "2"))
    assert quotas == ["streams"] * 3
    assert [line["quota"] for line in lines] == ["streams"]
