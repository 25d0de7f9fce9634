"""The page of one person: profile, status, holds, what becomes of the interests, and an interest tried at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from matcher.v1.coverage_pb2 import GetCoverageRequest
from matcher.v1.roster_pb2 import (
    Agent,
    AgentStatus,
    GetPoolRequest,
    ImportAgentsRequest,
    ImportAgentsResponse,
    ImportConfig,
    ImportRow,
    SetAgentStatusRequest,
    SilentInterest,
)
from matcher.v1.routing_pb2 import (
    Decision,
    GetDecisionRequest,
    GetReservationRequest,
    Message,
    SuggestAgentsRequest,
    SuggestAgentsResponse,
)
from matcher.web.console.access import reason_of, violations_of
from matcher.web.console.pages.people.edit import read_agent
from matcher.web.console.pages.people.interests import Asked, Tried, asked_of, told, tried
from matcher.web.console.pages.people.listing import BADGES, STATUSES, WORDS
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

HOLDS: Final = 8
"""The conversations of now whose decisions are read."""
POOLS: Final = 4
"""The pools whose coverage is read."""
COVERAGE_SECONDS: Final = 5.0
"""How long the page waits for coverage: the first report of a process takes longer, and the page does without it."""


@dataclass(frozen=True, slots=True)
class Held:
    """A hold: its channel, until when, and the contact where it may be seen."""

    channel: str
    until: float
    contact: str


async def show(visitor: Visitor) -> Response:
    """Show the person."""
    return await _page(visitor, await read_agent(visitor), None)


async def set_status(visitor: Visitor) -> Response:
    """Set the status."""
    agent_id = visitor.request.path_params["agent"]
    given = visitor.form.get("status", "")
    status = given if isinstance(given, str) and given in STATUSES else "AGENT_STATUS_UNSPECIFIED"
    request = SetAgentStatusRequest(name=f"{visitor.site_name}/agents/{agent_id}", status=AgentStatus.Value(status))
    request.reason = str(visitor.form.get("reason", "")).strip()
    await visitor.ask(visitor.stubs.roster.SetAgentStatus, request)
    return visitor.go("people", f"person/{agent_id}")


async def try_interest(visitor: Visitor) -> Response:
    """Say what an interest would do, if this person had it. Nothing is written."""
    agent = await read_agent(visitor)
    given = visitor.form.get("interest", "")
    text = " ".join(given.split()) if isinstance(given, str) else ""
    return await _page(visitor, agent, await _tried(visitor, agent, text) if text else None)


async def _page(visitor: Visitor, agent: Agent, result: Tried | None) -> Response:
    held, decisions = await _held(visitor, agent)
    may_edit, may_set = await asyncio.gather(
        visitor.may("RosterService/UpdateAgent"), visitor.may("RosterService/SetAgentStatus")
    )
    status = AgentStatus.Name(agent.status)
    return visitor.page(
        "person.html",
        agent=agent,
        id=agent.name.rpartition("/")[2],
        who=agent.display_name or agent.name.rpartition("/")[2],
        shown_status=WORDS.get(status, "offline"),
        badge=BADGES.get(status, ""),
        statuses=tuple((one, WORDS[one], one == status) for one in STATUSES),
        held=held,
        interests=told(agent, decisions),
        asked=await _asked(visitor, agent),
        tried=result,
        may_edit=may_edit,
        may_set=may_set,
    )


async def _held(visitor: Visitor, agent: Agent) -> tuple[tuple[Held, ...], tuple[Decision, ...]]:
    """Return what the agent holds, and the decisions that led to it, where the visitor may see them."""

    async def decision(name: str) -> tuple[str, Decision | None]:
        try:
            reservation = await visitor.ask(visitor.stubs.routing.GetReservation, GetReservationRequest(name=name))
            contact = reservation.contact.rpartition("/")[2]
            if not reservation.decision:
                return contact, None
            asked = GetDecisionRequest(name=reservation.decision)
            return contact, await visitor.ask(visitor.stubs.routing.GetDecision, asked)
        except Fault:
            return "", None

    found = await asyncio.gather(*(decision(hold.reservation) for hold in agent.holds[:HOLDS]))
    contacts = [contact for contact, _ in found] + [""] * max(0, len(agent.holds) - HOLDS)
    held = tuple(
        Held(hold.channel, hold.expire_time.seconds, contact)
        for hold, contact in zip(agent.holds, contacts, strict=True)
    )
    return held, tuple(one for _, one in found if one is not None)


async def _asked(visitor: Visitor, agent: Agent) -> tuple[Asked, ...]:
    """Return what customers ask of the agent, by pool; nothing where coverage may not be read or is not ready."""

    async def one(pool: str) -> Asked | None:
        request = GetCoverageRequest(parent=visitor.site_name, pool=pool)
        try:
            answer = await visitor.ask(visitor.stubs.feedback.GetCoverage, request, COVERAGE_SECONDS)
        except Fault:
            return None
        return asked_of(agent.name, answer)

    listening = await asyncio.gather(*(_listens(visitor, pool) for pool in agent.pools[:POOLS]))
    pools = [pool for pool, listens in zip(agent.pools[:POOLS], listening, strict=True) if listens]
    return tuple(found for found in await asyncio.gather(*map(one, pools)) if found is not None)


async def _listens(visitor: Visitor, pool: str) -> bool:
    try:
        return (await visitor.ask(visitor.stubs.roster.GetPool, GetPoolRequest(name=pool))).listening
    except Fault:
        return False


async def _tried(visitor: Visitor, agent: Agent, text: str) -> Tried:
    wrong, silent = await _judged(visitor, agent, text)
    answer = None if wrong or silent else await _sharing(visitor, agent, text)
    return tried(text, agent.name, silent, wrong, answer)


async def _judged(visitor: Visitor, agent: Agent, text: str) -> tuple[str, Sequence[SilentInterest]]:
    """Return why the service would not take an interest, and whether it would say nothing; a dry import tells both."""
    row = ImportRow(row=1, agent_id="interest-on-trial", agent=Agent(interests=[text], pools=agent.pools))
    steps = (
        ImportAgentsRequest(config=ImportConfig(parent=visitor.site_name, validate_only=True)),
        ImportAgentsRequest(row=row),
    )
    try:
        async for answer in visitor.exchange(visitor.stubs.roster.ImportAgents, steps):
            if answer.action == ImportAgentsResponse.REJECTED:
                found = list(violations_of(Fault(answer.status)).values())
                return (found[0] if found else answer.status.message), ()
            return "", answer.silent_interests
    except Fault as fault:
        if reason_of(fault) != "PERMISSION_DENIED":
            raise
    return "", ()


async def _sharing(visitor: Visitor, agent: Agent, text: str) -> SuggestAgentsResponse:
    request = SuggestAgentsRequest(
        parent=visitor.site_name,
        pool=agent.pools[0] if agent.pools else "",
        message=Message(text=text),
        max_candidates=25,
        ignore_availability=True,
    )
    return await visitor.ask(visitor.stubs.routing.SuggestAgents, request)
