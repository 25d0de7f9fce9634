"""The page Praise: of an agent, or of all whom a manager manages, as it comes in, and as the digest of a week."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from starlette.responses import PlainTextResponse, Response

from matcher.v1 import feedback_pb2 as pb
from matcher.v1 import roster_pb2
from matcher.web.console.live_events import Event, respond
from matcher.web.console.page import Get, Page
from matcher.web.console.pages.praise.words import DAYS, Week, said, week
from matcher.web.console.render import last_part
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault, Violation, fields_invalid

MOST: Final = 50
"""The praise of a page."""
MOST_OF_WEEK: Final = 1_000
MOST_NAMED: Final = 100
"""Agents whose names are read; others are named by their id."""
MOST_OFFERED: Final = 200
"""Agents to choose from."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose praise: an agent's, or that of all agents of a manager; both "": nobody was chosen yet."""

    agent: str
    manager: str

    @classmethod
    def of(cls, visitor: Visitor) -> Whose:
        """Return what the address says. Raises Fault where it says both."""
        asked = visitor.request.query_params
        agent, manager = asked.get("agent", "").strip(), asked.get("manager", "").strip()
        if agent and manager:
            raise fields_invalid([Violation("agent", "and manager: give one of the two")])
        return cls(agent, manager)

    @property
    def query(self) -> str:
        """The choice as the parameters of an address."""
        return urlencode({"agent": self.agent} if self.agent else {"manager": self.manager})

    def name(self, visitor: Visitor) -> str:
        """Return the resource name of the agent, or ""."""
        return f"{visitor.site_name}/agents/{self.agent}" if self.agent else ""


async def show(visitor: Visitor) -> Response:
    """Show the praise of who was chosen, or ask whose."""
    whose = Whose.of(visitor)
    if not (whose.agent or whose.manager):
        agents, managers = await _to_choose(visitor)
        return visitor.page("praise_choose.html", agents=agents, managers=managers)
    return await _praised(visitor, whose, "praise.html")


async def now(visitor: Visitor) -> Response:
    """Show the part of the page that grows."""
    return await _praised(visitor, Whose.of(visitor), "praise_now.html")


async def events(visitor: Visitor) -> Response:
    """Tell the page when there is new praise."""
    whose = Whose.of(visitor)
    request = pb.WatchPraiseRequest(parent=visitor.site_name, agent=whose.name(visitor), manager=whose.manager)
    request.resume_token = visitor.request.headers.get("last-event-id") or visitor.request.query_params.get("after", "")

    async def praise() -> AsyncGenerator[Event, None]:
        async with aclosing(visitor.follow(visitor.stubs.feedback.WatchPraise, request)) as answers:
            async for answer in answers:
                request.resume_token = answer.resume_token
                yield Event("praise" if answer.HasField("praise") else "alive", "", answer.resume_token)

    return await respond([praise], lambda: Event("alive", f"{time.time():.3f}"))


async def digest(visitor: Visitor) -> Response:
    """Give the week as text, to be sent by mail."""
    return PlainTextResponse((await _week(visitor, Whose.of(visitor))).text)


async def _praised(visitor: Visitor, whose: Whose, template: str) -> Response:
    token = visitor.request.query_params.get("page", "")
    page = await visitor.ask(visitor.stubs.feedback.ListPraise, _listed(visitor, whose, MOST, token))
    names, of_week = await asyncio.gather(_names(visitor, page.praise), _week(visitor, whose))
    return visitor.page(
        template,
        whose=whose,
        praise=said(page.praise, names),
        week=of_week,
        days=DAYS,
        resume=page.resume_token,
        first=not token,
        older=urlencode({"page": page.next_page_token}) if page.next_page_token else "",
    )


async def _week(visitor: Visitor, whose: Whose) -> Week:
    """Return the digest of the last seven days, of at most 1,000 entries."""
    page = await visitor.ask(visitor.stubs.feedback.ListPraise, _listed(visitor, whose, MOST_OF_WEEK, ""))
    return week(page.praise, await _names(visitor, page.praise), datetime.now(UTC))


def _listed(visitor: Visitor, whose: Whose, most: int, token: str) -> pb.ListPraiseRequest:
    return pb.ListPraiseRequest(
        parent=visitor.site_name,
        agent=whose.name(visitor),
        manager=whose.manager,
        page_size=most,
        page_token=token,
    )


async def _names(visitor: Visitor, praise: Iterable[pb.Praise]) -> dict[str, str]:
    """Return the names of the praised agents by id, as far as the visitor may read them."""
    agents = sorted({one.agent for one in praise})[:MOST_NAMED]

    async def name(agent: str) -> str:
        try:
            request = roster_pb2.GetAgentRequest(name=agent)
            return (await visitor.ask(visitor.stubs.roster.GetAgent, request)).display_name
        except Fault as fault:
            if fault.http in {403, 404}:
                return ""
            raise

    return dict(zip(map(last_part, agents), await asyncio.gather(*map(name, agents)), strict=True))


async def _to_choose(visitor: Visitor) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return some agents with their names, and managers; none where the visitor may not list agents."""
    request = roster_pb2.ListAgentsRequest(parent=visitor.site_name, page_size=MOST_OFFERED)
    try:
        agents = (await visitor.ask(visitor.stubs.roster.ListAgents, request)).agents
    except Fault as fault:
        if fault.http == 403:
            return (), ()
        raise
    managers = sorted({agent.manager for agent in agents if agent.manager})
    return tuple((last_part(agent.name), agent.display_name) for agent in agents), tuple(managers)


PAGE: Final = Page(
    "praise",
    "Praise",
    ("FeedbackService/ListPraise",),
    (Get("", show), Get("now", now), Get("events", events), Get("digest", digest)),
)
