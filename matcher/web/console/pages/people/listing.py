"""The list of people: by name, by meaning, by pool and by status, a page at a time."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from matcher.v1.roster_pb2 import Agent, AgentStatus, GetAgentRequest, ListAgentsRequest, ListPoolsRequest
from matcher.v1.routing_pb2 import Candidate, Message, SuggestAgentsRequest
from matcher.web.console.access import reason_of
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

SHOWN: Final = 50
READ_AT_ONCE: Final = 1_000
POOLS_ASKED: Final = 12
"""The pools that a search by meaning asks, where none is chosen."""
MOST_POOLS: Final = 200
LONGEST_QUERY: Final = 2_000
STATUSES: Final = ("ONLINE", "DRAINING", "AWAY", "OFFLINE")
WORDS: Final = {"ONLINE": "online", "DRAINING": "finishing", "AWAY": "away", "OFFLINE": "offline"}
BADGES: Final = {"ONLINE": "free", "DRAINING": "wrapping", "AWAY": "", "OFFLINE": ""}


@dataclass(frozen=True, slots=True)
class Row:
    """An agent in the list; why: the interest by which a search by meaning found the agent."""

    id: str
    name: str
    status: str
    badge: str
    reason: str
    pools: tuple[str, ...]
    interests: tuple[str, ...]
    holds: int
    why: tuple[str, ...] = ()
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a visitor asks for."""

    text: str
    by_meaning: bool
    pool: str
    status: str
    after: str


def asked_of(visitor: Visitor) -> Asked:
    """Return what the address asks for; what makes no sense is left out."""
    given = visitor.request.query_params
    status = given.get("status", "")
    return Asked(
        given.get("q", "").strip()[:LONGEST_QUERY],
        given.get("by") == "meaning",
        given.get("pool", ""),
        status if status in STATUSES else "",
        given.get("after", ""),
    )


def row_of(agent: Agent) -> Row:
    """Return an agent as the list shows it."""
    status = AgentStatus.Name(agent.status)
    return Row(
        id=agent.name.rpartition("/")[2],
        name=agent.display_name or agent.name.rpartition("/")[2],
        status=WORDS.get(status, "offline"),
        badge=BADGES.get(status, ""),
        reason=agent.status_reason,
        pools=tuple(pool.rpartition("/")[2] for pool in agent.pools),
        interests=tuple(agent.interests),
        holds=len(agent.holds),
    )


def found_row(candidate: Candidate, agent: Agent | None) -> Row:
    """Return an agent whom a search by meaning found, with the interests that the words met."""
    row = row_of(agent or Agent(name=candidate.agent, display_name=candidate.display_name))
    why = tuple(dict.fromkeys(reason.interest for reason in candidate.reasons))
    weak = all(reason.weak for reason in candidate.reasons)
    return Row(row.id, row.name, row.status, row.badge, row.reason, row.pools, row.interests, row.holds, why, weak)


def folded(text: str) -> str:
    """Return a text as names are compared: without case and accents, so that "jose" finds José."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


def named(agents: Iterable[Agent], text: str) -> list[Agent]:
    """Return the agents whose name or id has every word of a text in it."""
    words = folded(text).split()
    return [
        agent
        for agent in agents
        if all(word in folded(f"{agent.display_name} {agent.name.rpartition('/')[2]}") for word in words)
    ]


def best(answers: Iterable[Sequence[Candidate]]) -> list[Candidate]:
    """Return the candidates of several pools, each agent once, who met something, the best first."""
    known: dict[str, Candidate] = {}
    for candidate in (one for answer in answers for one in answer if one.reasons):
        if candidate.agent not in known or known[candidate.agent].affinity < candidate.affinity:
            known[candidate.agent] = candidate
    return sorted(known.values(), key=lambda one: (-one.affinity, -one.score, one.agent))[:SHOWN]


async def show(visitor: Visitor) -> Response:
    """Show the list."""
    asked = asked_of(visitor)
    pools = await pools_of(visitor)
    rows: list[Row] = []
    more, said = "", ""
    if asked.by_meaning and asked.text:
        rows, said = await _by_meaning(visitor, asked, pools)
    elif asked.text:
        rows, more = await _by_name(visitor, asked)
    else:
        request = _request(visitor, asked, SHOWN, asked.after)
        answer = await visitor.ask(visitor.stubs.roster.ListAgents, request)
        rows, more = [row_of(agent) for agent in answer.agents], answer.next_page_token
    may_create = await visitor.may("RosterService/CreateAgent")
    return visitor.page(
        "people.html",
        asked=asked,
        rows=rows,
        more=more,
        said=said,
        pools=pools,
        statuses=tuple((status, WORDS[status]) for status in STATUSES),
        may_create=may_create,
    )


async def pools_of(visitor: Visitor) -> tuple[str, ...]:
    """Return the ids of the pools that the visitor reaches."""
    request = ListPoolsRequest(parent=visitor.site_name, page_size=MOST_POOLS)
    try:
        answer = await visitor.ask(visitor.stubs.roster.ListPools, request)
    except Fault as fault:
        if reason_of(fault) == "PERMISSION_DENIED":
            return ()
        raise
    return tuple(pool.name.rpartition("/")[2] for pool in answer.pools)


def _request(visitor: Visitor, asked: Asked, size: int, after: str) -> ListAgentsRequest:
    return ListAgentsRequest(
        parent=visitor.site_name,
        page_size=size,
        page_token=after,
        pool=f"{visitor.site_name}/pools/{asked.pool}" if asked.pool else "",
        status=AgentStatus.Value(asked.status) if asked.status else AgentStatus.AGENT_STATUS_UNSPECIFIED,
        with_holds=size <= SHOWN,
    )


async def _by_name(visitor: Visitor, asked: Asked) -> tuple[list[Row], str]:
    """Return the next agents of a name, and the token of the page after which others may be."""
    found: list[Agent] = []
    token = asked.after
    while True:
        request = _request(visitor, asked, READ_AT_ONCE, token)
        answer = await visitor.ask(visitor.stubs.roster.ListAgents, request)
        found += named(answer.agents, asked.text)
        token = answer.next_page_token
        if len(found) >= SHOWN or not token:
            return [row_of(agent) for agent in found], token


async def _by_meaning(visitor: Visitor, asked: Asked, pools: Sequence[str]) -> tuple[list[Row], str]:
    """Return the agents whose interests a text meets, also those who are busy or away, and what there is to say."""
    chosen = (asked.pool,) if asked.pool else tuple(pools[:POOLS_ASKED])
    try:
        answers = await asyncio.gather(*(_suggested(visitor, asked.text, pool) for pool in chosen))
    except Fault as fault:
        if reason_of(fault) == "PERMISSION_DENIED":
            return [], "Your key or token does not permit a search by meaning (SuggestAgents). Search by name."
        raise
    candidates = best(answers)
    agents = await _read(visitor, candidates)
    rows = [found_row(candidate, agents.get(candidate.agent)) for candidate in candidates]
    said = ""
    if len(chosen) < len(pools) and not asked.pool:
        said = f"The first {len(chosen)} pools were asked. Choose a pool to ask another."
    return [row for row in rows if not asked.status or row.status == WORDS[asked.status]], said


async def _suggested(visitor: Visitor, text: str, pool: str) -> Sequence[Candidate]:
    request = SuggestAgentsRequest(
        parent=visitor.site_name,
        pool=f"{visitor.site_name}/pools/{pool}",
        message=Message(text=text),
        max_candidates=SHOWN,
        ignore_availability=True,
    )
    return (await visitor.ask(visitor.stubs.routing.SuggestAgents, request)).candidates


async def _read(visitor: Visitor, candidates: Sequence[Candidate]) -> dict[str, Agent]:
    """Return the agents of candidates, by name; without those who were removed since."""

    async def one(name: str) -> Agent | None:
        try:
            return await visitor.ask(visitor.stubs.roster.GetAgent, GetAgentRequest(name=name))
        except Fault as fault:
            if reason_of(fault) == "AGENT_NOT_FOUND":
                return None
            raise

    read = await asyncio.gather(*(one(candidate.agent) for candidate in candidates))
    return {agent.name: agent for agent in read if agent is not None}
