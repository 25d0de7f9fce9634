"""The floor: what is known of one site now, from lists that are read and events in between."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from matcher.v1.routing_pb2 import (
    CAUSE_DECLINED,
    CAUSE_NO_FIRST_RESPONSE,
    CAUSE_OFFER_EXPIRED,
    CONTACT_ASSIGNED,
    CONTACT_QUEUED,
    CONTACT_RESERVED,
    Cause,
    ContactEvent,
)
from matcher.web.console.pages.live.facts import AgentFacts, Held, Waiting, contact_id

NEWS_KEPT: Final = 40
REFUSALS_KEPT: Final = 200
LAGS_KEPT: Final = 100
REFUSALS: Final = frozenset({CAUSE_DECLINED, CAUSE_OFFER_EXPIRED, CAUSE_NO_FIRST_RESPONSE})
"""How an offer ends that an agent did not take."""


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened. cause: a name of Cause without its prefix, "ACCEPTED"; why: in the agent's words."""

    time: float
    cause: str
    contact: str
    pool: str
    agent: str
    reservation: str
    why: str = ""


@dataclass(slots=True)
class Floor:
    """Everything that the page shows, before it is put in order."""

    agents: dict[str, AgentFacts] = field(default_factory=dict)
    pools: dict[str, str] = field(default_factory=dict)
    """Pools by id, with the names that people see."""
    held: dict[str, Held] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    more_waiting: bool = False
    news: deque[News] = field(default_factory=lambda: deque(maxlen=NEWS_KEPT))
    refusals: deque[News] = field(default_factory=lambda: deque(maxlen=REFUSALS_KEPT))
    heard: int = 0
    """Events since the floor began; `news` keeps the last of them."""
    refused: int = 0
    """Those of them that are refusals."""
    lags: deque[float] = field(default_factory=lambda: deque(maxlen=LAGS_KEPT))
    reads_contacts: bool = True
    agents_at: float = 0.0
    """When the agents were read, in seconds since 1970; 0: not yet."""

    def take_agents(self, agents: Iterable[AgentFacts], now: float) -> None:
        """Take the whole roster."""
        self.agents = {agent.agent: agent for agent in agents}
        self.agents_at = now

    def take_contacts(self, held: Iterable[Held], waiting: Iterable[Waiting], *, more: bool) -> None:
        """Take all live reservations and the contacts that wait; more: others wait that were not read."""
        self.held = {one.reservation: one for one in held}
        self.waiting = {one.contact: one for one in waiting}
        self.more_waiting = more

    def tell(self, event: ContactEvent, now: float) -> News:
        """Take an event as news, once; `apply` is what it changes."""
        time = event.time.seconds + event.time.nanos / 1e9
        news = News(
            time=time,
            cause=Cause.Name(event.cause).removeprefix("CAUSE_"),
            contact=contact_id(event.contact),
            pool=event.pool.rpartition("/")[2],
            agent=event.agent.rpartition("/")[2],
            reservation=event.reservation.rpartition("/")[2],
        )
        self.news.appendleft(news)
        self.heard += 1
        if event.cause in REFUSALS:
            self.refused += 1
            self.refusals.appendleft(news)
        self.lags.append(max(0.0, now - time))
        return news

    def explain(self, news: News, why: str) -> None:
        """Give the words by which an agent declined."""
        for kept in (self.news, self.refusals):
            if news in kept:
                kept[kept.index(news)] = replace(news, why=why)

    def apply(self, event: ContactEvent) -> None:
        """Change what an event says; twice the same event changes nothing more. A later list corrects it."""
        contact, agent = contact_id(event.contact), event.agent.rpartition("/")[2]
        reservation = event.reservation.rpartition("/")[2]
        time = event.time.seconds + event.time.nanos / 1e9
        waited = self.waiting.pop(contact, None)
        channel = waited.channel if waited is not None else ""
        if event.state == CONTACT_RESERVED:
            self._free(contact, reservation)
            if reservation not in self.held:
                self.held[reservation] = Held(reservation, agent, contact, channel, 0, "offered", time)
        elif event.state == CONTACT_ASSIGNED:
            known = self.held.get(reservation)
            if known is None:
                self.held[reservation] = Held(reservation, agent, contact, channel, 0, "talking", time)
            elif known.does == "offered":
                self.held[reservation] = replace(known, does="talking", since=time)
        elif event.state == CONTACT_QUEUED:
            self._free(contact, "")
            pool = event.pool.rpartition("/")[2]
            self.waiting[contact] = waited or Waiting(contact, pool, "", time)
        else:
            self._end(contact, time)

    def _free(self, contact: str, but: str) -> None:
        for one in [one for one in self.held.values() if one.contact == contact and one.reservation != but]:
            del self.held[one.reservation]

    def _end(self, contact: str, time: float) -> None:
        """End a contact: an offer is gone; who talked may wrap up, until the next list says otherwise."""
        for one in [one for one in self.held.values() if one.contact == contact]:
            if one.does == "offered":
                del self.held[one.reservation]
            elif one.does == "talking":
                self.held[one.reservation] = replace(one, does="wrapping", since=time)
