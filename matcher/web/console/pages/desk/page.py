"""The page Desk: what an agent has now, what the agent can do about it, and how it moves by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Final
from urllib.parse import quote

from google.protobuf.duration_pb2 import Duration
from starlette.responses import JSONResponse, Response

from matcher.v1 import feedback_pb2, roster_pb2
from matcher.v1 import routing_pb2 as pb
from matcher.web.console.advice import Refusal, refusal_of
from matcher.web.console.live_events import Event, respond
from matcher.web.console.page import Get, Page, Post
from matcher.web.console.pages.desk.acts import ACTS
from matcher.web.console.pages.desk.cards import KINDS, STATUSES, card_of, ended_words, in_order, seconds
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

MOST: Final = 100
"""The most reservations of a desk that are shown."""
MOST_PRAISE: Final = 3
BEAT_SECONDS: Final = 40
"""How long a beat of a desk counts: four signs of life of its stream."""
WORDS_BYTES: Final = 2**20
WHYS: Final = ("lunch", "break", "meeting", "training", "end of shift")
"""What a desk may say of a status; the API takes any few words."""
TO_SET: Final = {
    roster_pb2.AgentStatus.Name(status): status
    for status in (roster_pb2.ONLINE, roster_pb2.AWAY, roster_pb2.DRAINING, roster_pb2.OFFLINE)
}


async def choose(visitor: Visitor) -> Response:
    """Ask whose desk it is, or go there."""
    agent = visitor.request.query_params.get("agent", "").strip()
    return visitor.go("desk", _path(agent)) if agent else visitor.page("desk_choose.html")


async def show(visitor: Visitor) -> Response:
    """Show the desk."""
    return await _desk(visitor, "desk.html")


async def now(visitor: Visitor) -> Response:
    """Show the part of the desk that moves, for the page to take what changed."""
    return await _desk(visitor, "desk_now.html")


async def words(visitor: Visitor) -> Response:
    """Show the desk with the words of a message that the agent pasted; they are kept nowhere."""
    text = str(visitor.form.get("text", "")).replace("\r\n", "\n")
    return await _desk(visitor, "desk.html", text=text, of=str(visitor.form.get("reservation", "")))


async def act(visitor: Visitor) -> Response:
    """Do what a button of a card says; where the service refuses, show the desk with the reason."""
    act = ACTS.get(visitor.request.path_params["act"])
    if act is None:
        return visitor.page("nothing.html", status=404)
    return await _done(visitor, act(visitor))


async def set_status(visitor: Visitor) -> Response:
    """Set the agent's status."""
    typed = str(visitor.form.get("status", ""))
    request = roster_pb2.SetAgentStatusRequest(name=_agent_name(visitor))
    request.status = TO_SET.get(typed, roster_pb2.AGENT_STATUS_UNSPECIFIED)
    if request.status != roster_pb2.ONLINE:
        request.reason = str(visitor.form.get("reason", "")).strip()
    return await _done(visitor, visitor.ask(visitor.stubs.roster.SetAgentStatus, request))


async def beat(visitor: Visitor) -> Response:
    """Send the heartbeat of the desk; answer the time of the store's clock, and the status."""
    request = roster_pb2.BeatAgentRequest(name=_agent_name(visitor), ttl=Duration(seconds=BEAT_SECONDS))
    answer = await visitor.ask(visitor.stubs.roster.BeatAgent, request)
    status = STATUSES.get(answer.status, "")
    return JSONResponse({"now": seconds(answer.expire_time) - BEAT_SECONDS, "status": status})


async def events(visitor: Visitor) -> Response:
    """Tell the page when to look again, and what ended."""
    request = roster_pb2.WatchReservationsRequest(parent=_agent_name(visitor))

    async def reservations() -> AsyncGenerator[Event, None]:
        async with aclosing(visitor.follow(visitor.stubs.roster.WatchReservations, request)) as answers:
            async for answer in answers:
                if answer.HasField("reservation"):
                    yield Event("changed", ended_words(answer.reservation))
                else:
                    yield _alive()

    return await respond([reservations], _alive)


def _alive() -> Event:
    return Event("alive", f"{time.time():.3f}")


async def _done(visitor: Visitor, doing: Awaitable[object]) -> Response:
    try:
        await doing
    except Fault as fault:
        if fault.http in {401, 503}:
            raise
        return await _desk(visitor, "desk.html", refusal=refusal_of(fault))
    return visitor.go("desk", _path(visitor.request.path_params["agent"]))


async def _desk(
    visitor: Visitor, template: str, *, text: str = "", of: str = "", refusal: Refusal | None = None
) -> Response:
    name = _agent_name(visitor)
    agent, reservations, praise = await asyncio.gather(
        visitor.ask(visitor.stubs.roster.GetAgent, roster_pb2.GetAgentRequest(name=name)),
        visitor.ask(
            visitor.stubs.routing.ListReservations,
            pb.ListReservationsRequest(parent=visitor.site_name, agent=name, page_size=MOST),
        ),
        _praise(visitor, name),
    )
    live = [one for one in reservations.reservations if one.state in KINDS]
    decisions = await asyncio.gather(*(_decision(visitor, one) for one in live))
    cards = in_order(
        card_of(one, decision, text if one.name.rpartition("/")[2] == of else "")
        for one, decision in zip(live, decisions, strict=True)
    )
    return visitor.page(
        template,
        status=refusal.code if refusal else 200,
        agent=agent,
        status_words=STATUSES.get(agent.status, "unknown"),
        statuses=[(typed, status == agent.status) for typed, status in TO_SET.items()],
        whys=WHYS,
        cards=cards,
        praise=praise,
        beat_seconds=BEAT_SECONDS,
        refusal=refusal,
        pasted=of,
        more=bool(reservations.next_page_token),
    )


async def _decision(visitor: Visitor, reservation: pb.Reservation) -> pb.Decision | None:
    """Return the decision that led to an offer or a conversation; None where there is none to read any more."""
    if not reservation.decision or reservation.state == pb.WRAPPING:
        return None
    try:
        return await visitor.ask(visitor.stubs.routing.GetDecision, pb.GetDecisionRequest(name=reservation.decision))
    except Fault as fault:
        if fault.http in {403, 404}:
            return None
        raise


async def _praise(visitor: Visitor, agent: str) -> tuple[feedback_pb2.Praise, ...]:
    """Return the latest praise of the agent; none where the visitor may not read it."""
    request = feedback_pb2.ListPraiseRequest(parent=visitor.site_name, agent=agent, page_size=MOST_PRAISE)
    try:
        return tuple((await visitor.ask(visitor.stubs.feedback.ListPraise, request)).praise)
    except Fault as fault:
        if fault.http == 403:
            return ()
        raise


def _agent_name(visitor: Visitor) -> str:
    return f"{visitor.site_name}/agents/{visitor.request.path_params['agent']}"


def _path(agent: str) -> str:
    return quote(agent, safe="")


PAGE: Final = Page(
    "desk",
    "Desk",
    ("RoutingService/AcceptReservation",),
    (
        Get("", choose),
        Get("{agent}", show),
        Get("{agent}/now", now),
        Get("{agent}/events", events),
        Post("{agent}/status", set_status),
        Post("{agent}/beat", beat),
        Post("{agent}/words", words, WORDS_BYTES),
        Post("{agent}/{act}", act),
    ),
)
