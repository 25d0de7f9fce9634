"""Creating and changing a person: the form, what the service says of each field, and two editors at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask
from starlette.responses import Response

from matcher.v1.roster_pb2 import (
    OFFLINE,
    Agent,
    AgentStatus,
    CreateAgentRequest,
    GetAgentRequest,
    UpdateAgentRequest,
)
from matcher.web.console.access import reason_of, violations_of
from matcher.web.console.advice import refusal_of
from matcher.web.console.pages.people.profile import (
    FIELDS,
    LABELS,
    LISTS,
    Change,
    agent_of,
    changed,
    field_of,
    in_words,
    mask_of,
    merged,
    values_of,
)
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

BASE: Final = "base_"
"""Begins the hidden fields that hold what the form began with."""
EMPTY: Final = dict.fromkeys(FIELDS, "")
BEGUN: Final = {**EMPTY, "total": "1", "channels": "chat:1"}
"""A new person takes one chat at a time, as the service has it."""


async def read_agent(visitor: Visitor) -> Agent:
    """Return the agent that the address names. Raises Fault."""
    name = f"{visitor.site_name}/agents/{visitor.request.path_params['agent']}"
    return await visitor.ask(visitor.stubs.roster.GetAgent, GetAgentRequest(name=name))


async def show_new(visitor: Visitor) -> Response:
    """Show the form of a new person."""
    return _form(visitor, "", BEGUN, EMPTY)


async def create(visitor: Visitor) -> Response:
    """Add a person."""
    values = _given(visitor, "")
    agent_id = _text(visitor, "agent_id").strip()
    agent, wrong = agent_of(values, visitor.site_name)
    agent.status = AgentStatus.ONLINE if _text(visitor, "online") else OFFLINE
    if wrong:
        return _form(visitor, "", values, EMPTY, wrong=wrong, agent_id=agent_id)
    request = CreateAgentRequest(parent=visitor.site_name, agent_id=agent_id, agent=agent)
    try:
        await visitor.ask(visitor.stubs.roster.CreateAgent, request)
    except Fault as fault:
        if reason_of(fault) not in {"FIELDS_INVALID", "AGENT_EXISTS", "POOL_NOT_FOUND", "QUOTA_EXCEEDED"}:
            raise
        return _form(visitor, "", values, EMPTY, wrong=_wrong_fields(fault), fault=fault, agent_id=agent_id)
    return visitor.go("people", f"person/{agent_id}")


async def show_edit(visitor: Visitor) -> Response:
    """Show the form of a person."""
    agent = await read_agent(visitor)
    values = values_of(agent)
    return _form(visitor, agent.etag, values, values, name=agent.display_name)


async def save(visitor: Visitor) -> Response:
    """Change the fields that the visitor changed; where somebody was faster, show what changed and merge."""
    agent_id = visitor.request.path_params["agent"]
    mine, base, etag = _given(visitor, ""), _given(visitor, BASE), _text(visitor, "etag")
    fields = changed(base, mine)
    if not fields:
        return visitor.go("people", f"person/{agent_id}")
    agent, wrong = agent_of(mine, visitor.site_name)
    if wrong:
        return _form(visitor, etag, mine, base, wrong=wrong)
    agent.name = f"{visitor.site_name}/agents/{agent_id}"
    agent.etag = etag
    request = UpdateAgentRequest(agent=agent, update_mask=FieldMask(paths=mask_of(fields)))
    try:
        await visitor.ask(visitor.stubs.roster.UpdateAgent, request)
    except Fault as fault:
        reason = reason_of(fault)
        if reason == "ETAG_MISMATCH":
            now = await read_agent(visitor)
            theirs = values_of(now)
            values, seen = merged(base, mine, theirs)
            return _form(visitor, now.etag, values, theirs, seen=seen, faster=True, name=now.display_name)
        if reason not in {"FIELDS_INVALID", "POOL_NOT_FOUND"}:
            raise
        return _form(visitor, etag, mine, base, wrong=_wrong_fields(fault), fault=fault)
    return visitor.go("people", f"person/{agent_id}")


def _form(
    visitor: Visitor,
    etag: str,
    values: Mapping[str, str],
    base: Mapping[str, str],
    *,
    wrong: Mapping[str, str] | None = None,
    fault: Fault | None = None,
    seen: tuple[Change, ...] = (),
    faster: bool = False,
    agent_id: str = "",
    name: str = "",
) -> Response:
    wrong = wrong or {}
    return visitor.page(
        "person_form.html",
        status=409 if faster else 400 if wrong or fault else 200,
        id=visitor.request.path_params.get("agent", ""),
        agent_id=agent_id,
        who=name,
        etag=etag,
        fields=tuple((field, LABELS[field], field in LISTS, values[field], wrong.get(field, "")) for field in FIELDS),
        base=tuple((f"{BASE}{field}", base[field]) for field in FIELDS),
        wrong=wrong,
        refusal=refusal_of(fault) if fault is not None and not wrong else None,
        seen=seen,
        faster=faster,
    )


def _wrong_fields(fault: Fault) -> dict[str, str]:
    found: dict[str, str] = {}
    for path, description in violations_of(fault).items():
        field = field_of(path)
        if field:
            said = in_words(path, description)
            found[field] = f"{found[field]}; {said}" if field in found else said
    return found


def _given(visitor: Visitor, prefix: str) -> dict[str, str]:
    return {field: _text(visitor, prefix + field) for field in FIELDS}


def _text(visitor: Visitor, field: str) -> str:
    value = visitor.form.get(field, "")
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""
