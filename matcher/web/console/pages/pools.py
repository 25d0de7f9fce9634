"""The page Pools: who answers in a pool, why nobody does, and its policy, tried on records before it is saved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from google.protobuf.field_mask_pb2 import FieldMask
from starlette.responses import Response

from matcher.v1 import routing_pb2 as pb
from matcher.v1.roster_pb2 import Agent, GetPoolRequest, ListAgentsRequest, ListPoolsRequest, Pool, UpdatePoolRequest
from matcher.web.console.access import reason_of, violations_of
from matcher.web.console.page import Get, Page, Post
from matcher.web.console.past_decisions import Replayed, replayed
from matcher.web.console.policy_fields import FIELDS, GROUPS, WITH_MESSAGES, WITH_RECORDS
from matcher.web.console.policy_form import Change, changes_of, values_of, written
from matcher.web.console.pool_state import PoolState, Waiting, state_of, still_required, waiting_of
from matcher.web.console.recorded import newest_decisions
from matcher.web.console.said import short
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

MOST_POOLS: Final = 200
MOST_AGENTS: Final = 2_000
"""Agents of a pool that are read; of a larger pool the page says that there are more."""
ASKED_WAITING: Final = 5
"""Waiting contacts, the oldest, of whom the service is asked what keeps agents from them."""
NO_ETAG: Final = "console-asks-whether-the-values-are-good"
"""No pool has it: a call with it is checked as any other, and changes nothing."""
CHANGES: Final = "RosterService/UpdatePool"


@dataclass(frozen=True, slots=True)
class Edited:
    """The form as it was sent: the values of before, the visitor's, and the etag that the page had."""

    before: Mapping[str, str]
    mine: Mapping[str, str]
    etag: str


async def show(visitor: Visitor) -> Response:
    """Show the pools, or one of them."""
    pool = visitor.request.query_params.get("pool", "")
    if not pool:
        return await _list(visitor)
    return await _pool(visitor, await _read(visitor, pool))


async def change(visitor: Visitor) -> Response:
    """Show what a change would do, or save it."""
    values = {key: value for key, value in visitor.form.items() if isinstance(value, str)}
    edited = Edited(
        before={field.path: _typed(values.get(f"was.{field.path}", "")) for field in FIELDS},
        mine={field.path: _typed(values.get(field.path, "")) for field in FIELDS},
        etag=values.get("etag", ""),
    )
    pool = await _read(visitor, values.get("pool", ""))
    changes = changes_of(edited.before, edited.mine, values_of(pool))
    mine = frozenset(one.field.path for one in changes if one.is_mine)
    shown: dict[str, Any] = {"values": edited.mine, "before": edited.before, "changes": changes, "etag": edited.etag}
    if not mine:
        return await _pool(visitor, pool, said="Nothing is changed yet: change a field first.")
    wanted, wrong = written(edited.mine, mine)
    wanted.name = pool.name
    if wrong:
        return await _pool(visitor, pool, wrong=wrong, **shown)
    if values.get("step") == "save":
        try:
            await _update(visitor, wanted, mine, edited.etag)
        except Fault as fault:
            if reason_of(fault) == "FIELDS_INVALID":
                return await _pool(visitor, pool, wrong=_wrong(fault), **shown)
            if reason_of(fault) != "ETAG_MISMATCH":
                raise
        else:
            return visitor.go_to(f"{visitor.url('pools')}?pool={quote(short(pool.name), safe='')}&saved=1")
    if wrong := await _checked(visitor, wanted, mine):
        return await _pool(visitor, pool, wrong=wrong, **shown)
    clash = edited.etag != pool.etag
    if clash:  # the form goes on from what is in force now, with the visitor's changes on top
        current = values_of(pool)
        on_top = {path: edited.mine[path] for path in mine}
        shown |= {"values": {**current, **on_top}, "before": current, "etag": pool.etag}
    preview = await _previewed(visitor, pool, wanted)
    return await _pool(visitor, pool, preview=preview, clash=clash, tried=True, **shown)


async def _checked(visitor: Visitor, wanted: Pool, mine: frozenset[str]) -> dict[str, str]:
    """Return what the service finds wrong with values, by field; it is asked with an etag that changes nothing."""
    try:
        await _update(visitor, wanted, mine, NO_ETAG)
    except Fault as fault:
        if reason_of(fault) == "FIELDS_INVALID":
            return _wrong(fault)
        if reason_of(fault) != "ETAG_MISMATCH":
            raise
    return {}


async def _update(visitor: Visitor, wanted: Pool, paths: frozenset[str], etag: str) -> Pool:
    pool = Pool()
    pool.CopyFrom(wanted)
    pool.etag = etag
    request = UpdatePoolRequest(pool=pool, update_mask=FieldMask(paths=sorted(paths)))
    return await visitor.ask(visitor.stubs.roster.UpdatePool, request)


def _wrong(fault: Fault) -> dict[str, str]:
    """Return the service's own words on each field; what belongs to no field of the form stands under ""."""
    known = {field.path for field in FIELDS}
    wrong: dict[str, str] = {}
    for name, words in violations_of(fault).items():
        path = name.removeprefix("pool.").partition("[")[0]
        wrong[path if path in known else ""] = words if path in known else f"{name} {words}"
    return wrong


async def _previewed(visitor: Visitor, pool: Pool, wanted: Pool) -> Replayed | None:
    """Return what floor and tolerance would have done to recorded decisions; None: they are not changed."""
    floor = wanted.affinity_floor if wanted.HasField("affinity_floor") else None
    tolerance = wanted.affinity_tolerance if wanted.HasField("affinity_tolerance") else None
    if floor is None and tolerance is None:
        return None
    return replayed(await newest_decisions(visitor, pool.name), floor, tolerance)


async def _read(visitor: Visitor, pool: str) -> Pool:
    request = GetPoolRequest(name=f"{visitor.site_name}/pools/{pool}")
    return await visitor.ask(visitor.stubs.roster.GetPool, request)


async def _list(visitor: Visitor) -> Response:
    request = ListPoolsRequest(parent=visitor.site_name, page_size=MOST_POOLS)
    answer = await visitor.ask(visitor.stubs.roster.ListPools, request)
    rows = await asyncio.gather(*(_row(visitor, pool) for pool in answer.pools[:40]))
    named = [(short(pool.name), pool.display_name) for pool in answer.pools[40:]]
    return visitor.page("pools.html", rows=rows, named=named, more=bool(answer.next_page_token))


async def _row(visitor: Visitor, pool: Pool) -> tuple[str, str, str]:
    read = await _read(visitor, short(pool.name))
    agents, unread = await _agents(visitor, pool.name)
    return short(pool.name), pool.display_name, state_of(read, agents, (), unread=unread).verdict


async def _pool(visitor: Visitor, pool: Pool, **shown: Any) -> Response:
    current = values_of(pool)
    values: dict[str, Any] = {
        "values": current,
        "before": current,
        "etag": pool.etag,
        "wrong": {},
        "said": "The policy is saved." if visitor.request.query_params.get("saved") else "",
        "changes": (),
        "preview": None,
        "clash": False,
        "tried": False,
    } | shown
    values["notes"] = _notes(values["changes"]) if values["tried"] else ()
    may, state = await asyncio.gather(visitor.may(CHANGES), _state(visitor, pool))
    status = 400 if values["wrong"] else 200
    return visitor.page("pool.html", status=status, pool=pool, groups=GROUPS, state=state, may=may, **values)


def _notes(changes: Sequence[Change]) -> tuple[str, ...]:
    """Return what no record can tell of a change."""
    mine = {change.field.path: change for change in changes if change.is_mine}
    notes = []
    if any(path in mine and not mine[path].mine for path in WITH_RECORDS):
        notes.append("What the service computes itself is not known for each record, so it is not tried on them.")
    if mine.keys() & WITH_MESSAGES:
        notes.append("Records keep no message, so this cannot be tried on them: try a message on the page Try it.")
    if not mine.keys() & (WITH_RECORDS | WITH_MESSAGES):
        notes.append("This changes no choice that a record holds: it counts from the next offer or conversation on.")
    return tuple(notes)


async def _state(visitor: Visitor, pool: Pool) -> PoolState | None:
    try:
        (agents, unread), waiting = await asyncio.gather(_agents(visitor, pool.name), _waiting(visitor, pool))
    except Fault as fault:
        if reason_of(fault) == "PERMISSION_DENIED":
            return None
        raise
    return state_of(pool, agents, waiting, unread=unread)


async def _agents(visitor: Visitor, pool: str) -> tuple[list[Agent], bool]:
    request = ListAgentsRequest(parent=visitor.site_name, pool=pool, page_size=1_000, with_holds=True)
    agents: list[Agent] = []
    while len(agents) < MOST_AGENTS:
        answer = await visitor.ask(visitor.stubs.roster.ListAgents, request)
        agents.extend(answer.agents)
        if not answer.next_page_token:
            return agents, False
        request.page_token = answer.next_page_token
    return agents, True


async def _waiting(visitor: Visitor, pool: Pool) -> list[Waiting]:
    """Return the oldest contacts that wait, with what keeps agents from each, as the service counts it."""
    if not pool.waiting:
        return []
    request = pb.ListContactsRequest(
        parent=visitor.site_name, pool=pool.name, state=pb.CONTACT_QUEUED, page_size=ASKED_WAITING
    )
    contacts = (await visitor.ask(visitor.stubs.routing.ListContacts, request)).contacts[:ASKED_WAITING]
    now = time.time()
    return list(await asyncio.gather(*(_one_waiting(visitor, pool, contact, now) for contact in contacts)))


async def _one_waiting(visitor: Visitor, pool: Pool, contact: pb.Contact, now: float) -> Waiting:
    request = pb.SuggestAgentsRequest(
        parent=visitor.site_name, pool=pool.name, message=still_required(contact, now), max_candidates=1
    )
    try:
        counts = (await visitor.ask(visitor.stubs.routing.SuggestAgents, request)).left_out
    except Fault as fault:
        if fault.http >= 500:
            raise
        return waiting_of(contact, now, ())
    return waiting_of(contact, now, counts)


def _typed(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


PAGE = Page("pools", "Pools", needs=("RosterService/GetPool",), routes=(Get("", show), Post("", change)))
