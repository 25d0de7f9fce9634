"""Failed calls in words: what was refused and why, or why no server answered."""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from matcher.cli.field_names import typed, typed_within
from matcher.client import MatcherCallError
from matcher.client.connection import SILENCE


def describe(error: MatcherCallError, target: str, names: Mapping[str, str] | None = None) -> str:
    """Return one line about a failed call: the reason and the fields as they were typed, or why no server answered."""
    if error.violations:
        fields = "; ".join(
            f"{typed(wrong.field, names or {})} {typed_within(wrong.description, names or {})}"
            for wrong in error.violations
        )
        return f"{error.reason}: {fields}"
    if error.reason:
        retry = "" if error.retry_after is None else f" (try again in {error.retry_after:g} s)"
        return f"{error.reason}: {typed_within(error.message, names or {})}{retry}"
    return _describe_without_answer(error, target)


def _describe_without_answer(error: MatcherCallError, target: str) -> str:
    if error.code is grpc.StatusCode.UNAVAILABLE:
        if "refused" in error.message:
            return f"no service answers at {target}: {_advice()}"
        return f"{target} cannot be reached: {error.message}{_repeat(error)}"
    if error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        if error.message.startswith(SILENCE):
            return f"{target} is silent: {error.message}"
        return f"{target} did not answer in time; allow more time with --timeout{_repeat(error)}"
    return f"{error.code.name}: {error.message}{_repeat(error)}"


def _repeat(error: MatcherCallError) -> str:
    """Return how to learn the answer that may have been lost; "" where the call has no request_id."""
    if error.request_id:
        return (
            f"; the agent may be reserved all the same: the same command with --request-id {error.request_id} gives the"
            " answer, and reserves nobody twice"
        )
    if error.request_ids:
        return (
            "; agents may be reserved all the same: the same lines with the contact_id and request_id below give the"
            " answers, and reserve nobody twice"
        )
    return ""


def _advice() -> str:
    """Return where to find a service: at the addresses of those that run here, or by starting one."""
    # Imported here, because its libraries would slow down every command.
    from matcher.server.announcement import running_services

    if addresses := [service.address for service in running_services()]:
        return f"on this machine one listens at {', '.join(addresses)} (--server)"
    return "start one with `matcher serve`, or name another address with --server"
