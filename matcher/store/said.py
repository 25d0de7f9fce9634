"""What a change has to say for the audit trail: by whom, how, to what, and which fields changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from matcher.auth.principal import NOBODY, Principal, Role, current_principal
from matcher.telemetry.calls import current_call

SERVICE: Final = "service"
"""The principal of what no call asked for: a start that founds the default site, a command on the store's machine."""


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change, as the verb writes it beside what it changes.

    method: "Service/Method" of the call; "": no call. principal: who called. request: the id of the call. peer: the
    caller's address. name: the resource name of what changed. fields: each changed field → its value before and after.
    """

    method: str
    principal: str
    request: str
    peer: str
    name: str
    fields: Mapping[str, Any]


def say(name: str, before: Any, after: Any, **further: tuple[object, object]) -> bytes:
    """Return what the current call changes of `name`; b"": no field differs.

    before, after: two dataclasses or mappings; None: there was, or will be, nothing. further: more fields, each with
    its value before and after; equal values are left out.
    """
    was, will = _fields(before), _fields(after)
    both = {field: (was.get(field), will.get(field)) for field in (*was, *(f for f in will if f not in was))} | further
    changed = {field: values for field, values in both.items() if values[0] != values[1]}
    if not changed and before is not None and after is not None:
        return b""
    principal, call = current_principal(), current_call()
    said = Said(
        method=call.method.removeprefix("/") if call else "",
        principal=_name(principal) if call else SERVICE,
        request=call.request if call else "",
        peer=call.peer() if call else "",
        name=name,
        fields=changed,
    )
    return msgspec.json.encode(said)


def is_own_desk(site: str, agent: str) -> bool:
    """Return whether the current call comes from the desk of an agent: who sets the own status is not on record."""
    return any(
        grant.role is Role.AGENT and grant.agent == agent and grant.reaches(site)
        for grant in current_principal().grants
    )


def _name(principal: Principal) -> str:
    return NOBODY.kind.value if principal is NOBODY else str(principal)


def _fields(record: Any) -> Mapping[str, Any]:
    if record is None:
        return {}
    if isinstance(record, Mapping):
        return record
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
