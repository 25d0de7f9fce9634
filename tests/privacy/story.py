"""A contact center's day in which every word of a person is a canary: what is said, how it is refused, and by whom."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import grpc

from matcher.v1 import customers_pb2 as customers
from matcher.v1 import feedback_pb2 as feedback
from matcher.v1 import keys_pb2 as keys
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as routing
from tests.privacy.callers import Caller, Failed
from tests.privacy.marks import Canaries

SITE: Final = "sites/shop"
QUIET: Final = f"{SITE}/pools/quiet"
HTML: Final = "<p>My {} boat leaks – since Monday.</p><blockquote>You wrote: {}</blockquote>"


def chats(most: int) -> roster.Capacity:
    """Return the capacity of an agent who takes so many chats at once."""
    return roster.Capacity(total=most, channels=[roster.ChannelCapacity(channel="chat", cost=1)])


@dataclass(frozen=True)
class Center:
    """The callers: who runs the center, a second platform of the same site, an observer, and a platform elsewhere."""

    owner: Caller
    other: Caller
    observer: Caller
    foreign: Caller
    canaries: Canaries

    @property
    def others(self) -> tuple[Caller, ...]:
        """Those who must not learn what the first one says."""
        return self.other, self.observer, self.foreign

    async def open(self) -> None:
        """Make the site, its agents and a pool in which everybody waits."""
        await self.owner.ask("CreateSite", roster.CreateSiteRequest(site_id="shop"))
        quiet = roster.Pool(display_name="Quiet")
        quiet.wait_duration.FromSeconds(86_400)
        await self.owner.ask("CreatePool", roster.CreatePoolRequest(parent=SITE, pool_id="quiet", pool=quiet))
        told = roster.Pool(name=f"{SITE}/pools/default", listening=True, max_missed=0)
        told.relationship_duration.FromSeconds(3_600)
        told.first_response_duration.FromSeconds(3_600)
        asked = roster.UpdatePoolRequest(pool=told)
        asked.update_mask.paths.extend(("listening", "max_missed", "relationship_duration", "first_response_duration"))
        await self.owner.ask("UpdatePool", asked)
        for name in ("bea", "tom"):
            agent = roster.Agent(interests=[f"I sail and {name} bakes."], capacity=chats(900), status=roster.ONLINE)
            await self.owner.ask("CreateAgent", roster.CreateAgentRequest(parent=SITE, agent_id=name, agent=agent))

    async def turn(self, number: int) -> None:
        """Let a customer, an agent and their keeper say each of their words once."""
        await self._keep_a_customer(number)
        await self._keep_an_agent(number)
        await self._decline(number)
        await self._wait(number)
        await self._serve(number)
        await self._be_wrong(number)
        await self._pry(number)

    async def _keep_a_customer(self, number: int) -> None:
        new, now = self.canaries.new, int(time.time())
        interest = customers.CustomerInterest(
            text=f"I sail a {new('kept interest')}.", source=f"CRM {new('interest source')}"
        )
        kept = customers.Customer(handles=[new("kept handle")], interests=[interest])
        kept.consent.basis = f"asked by {new('consent basis')}"
        kept.consent.time.FromSeconds(now - 60)
        kept.consent.expire_time.FromSeconds(now + 86_400)
        asked = customers.PutCustomerRequest(parent=SITE, customer=kept, request_id=f"put-{number}")
        await self.owner.ask("PutCustomer", asked)
        joined = customers.LinkCustomersRequest(parent=SITE, handles=[kept.handles[0], new("kept handle")])
        await self.owner.ask("LinkCustomers", joined)
        for unknown in (new("unknown handle"), new("unknown handle")):
            await self.owner.try_to("LookupCustomer", customers.LookupCustomerRequest(parent=SITE, handle=unknown))
            await self.owner.try_to("ForgetCustomer", customers.ForgetCustomerRequest(parent=SITE, handle=unknown))

    async def _keep_an_agent(self, number: int) -> None:
        new, name = self.canaries.new, f"keeper{number}"
        agent = roster.Agent(display_name=f"Ann {new('agent name')}", interests=[f"I {new('agent interest')} boats."])
        await self.owner.ask("CreateAgent", roster.CreateAgentRequest(parent=SITE, agent_id=name, agent=agent))
        changed = roster.UpdateAgentRequest(
            agent=roster.Agent(name=f"{SITE}/agents/{name}", display_name=f"Ann {new('agent name')}")
        )
        changed.update_mask.paths.append("display_name")
        await self.owner.ask("UpdateAgent", changed)

    def _routed(self, contact: str, text: str, handle: str, *, pool: str = "") -> routing.RouteMessageRequest:
        message = routing.Message(text=text, customer=handle)
        return routing.RouteMessageRequest(parent=SITE, pool=pool, contact_id=contact, message=message)

    async def _decline(self, number: int) -> None:
        new = self.canaries.new
        asked = self._routed(f"d-{number}", f"I sail {new('text')} – now.", new("contact handle"))
        asked.message.customer_interests.append(f"I bake {new('message interest')}.")
        asked.request_id = f"r-{number}"
        held = (await self.owner.ask("RouteMessage", asked)).reservation.name
        said = routing.DeclineReservationRequest(name=held, reason=f"busy with {new('decline reason')}")
        await self.owner.ask("DeclineReservation", said)
        await self.other.try_to("AcceptReservation", routing.AcceptReservationRequest(name=held))
        again = self._routed(f"d-{number}", f"Another {new('text')}.", "somebody-else")
        for wrong in (again, routing.RouteMessageRequest(parent=SITE, request_id=f"r-{number}", message=again.message)):
            assert not await self.other.try_to("RouteMessage", wrong)

    async def _wait(self, number: int) -> None:
        new = self.canaries.new
        asked = self._routed(f"w-{number}", "", new("contact handle"), pool=QUIET)
        asked.message.text = HTML.format(new("waiting text"), new("quoted text"))
        asked.message.media_type = "text/html"
        asked.message.customer_interests.append(f"I bake {new('message interest')}.")
        asked.wait = True
        assert (await self.owner.ask("RouteMessage", asked)).HasField("queued")
        several = [self._routed(f"b-{number}-{at}", f"I {new('text')}.", new("contact handle")) for at in range(2)]
        several[1].pool = f"{SITE}/pools/nowhere"
        await self.owner.ask("RouteMessages", routing.RouteMessagesRequest(parent=SITE, requests=several))
        asked_of = routing.SuggestAgentsRequest(parent=SITE, message=routing.Message(text=f"I {new('text')}."))
        await self.owner.ask("SuggestAgents", asked_of)

    async def _serve(self, number: int) -> None:
        new, contact = self.canaries.new, f"{SITE}/contacts/s-{number}"
        asked = routing.AssignContactRequest(name=contact, agent=f"{SITE}/agents/bea", accepted=True)
        asked.message.text, asked.message.customer = f"I {new('text')}.", new("contact handle")
        asked.actor, asked.reason = f"Kim {new('actor')}", f"she knows {new('assignment reason')}"
        await self.owner.ask("AssignContact", asked)
        moved = routing.TransferContactRequest(name=contact, agent=f"{SITE}/agents/tom")
        held = (await self.owner.ask("TransferContact", moved)).reservation.name
        await self.owner.ask("AcceptReservation", routing.AcceptReservationRequest(name=held))
        back = routing.TransferContactRequest(name=contact, message=routing.Message(text=f"I {new('text')}."))
        await self.owner.ask("TransferContact", back)
        await self.owner.ask("CompleteReservation", routing.CompleteReservationRequest(name=held, rating=5))
        outcome = feedback.Outcome(source="survey", csat=5, metrics={new("metric name"): 1.0})
        outcome.recommended.recommendation, outcome.recommended.place = feedback.PROMOTED, new("place")
        told = feedback.RecordOutcomeRequest(contact=contact, outcome=outcome)
        told.praise.text, told.praise.agreed = f"She was {new('praise')}.", True
        await self.owner.ask("RecordOutcome", told)
        told.praise.text, told.outcome.csat = f"She was {new('refused praise')}.", 1
        assert not await self.owner.try_to("RecordOutcome", told)

    async def _be_wrong(self, number: int) -> None:
        """Say words where they do not belong: in ids, headers, unknown methods, cut bodies, keys."""
        new = self.canaries.new
        wrong = self._routed(f"no id {new('wrong field')}", f"I {new('text')}.", "somebody")
        wrong.message.channel = wrong.message.language = f"{new('wrong field')} {number}"
        await self.owner.try_to("RouteMessage", wrong, more=(("x-request-id", f"no id {new('wrong field')}"),))
        paged = roster.ListAgentsRequest(parent=SITE, page_token=new("wrong field"))
        await self.owner.try_to("ListAgents", paged, more=(("traceparent", new("wrong field")),))
        missing = roster.GetAgentRequest(name=f"{SITE}/agents/{new('unknown name')}")
        await self.owner.try_to("GetAgent", missing)
        stranger = Caller(self.owner.channel, f"mk_{new('wrong key')}", self.owner.gateway)
        assert not await stranger.try_to("GetAgent", missing)
        body = self._routed("cut", f"I {new('text')}.", "somebody").SerializeToString()
        raw: Any = self.owner.channel.unary_unary("/matcher.v1.RoutingService/RouteMessage")
        unknown: Any = self.owner.channel.unary_unary(f"/matcher.v1.RoutingService/{new('unknown method')}")
        metadata = (("authorization", f"Bearer {self.owner.key}"),)
        for call, sent in ((raw, body[:-9]), (unknown, body)):
            try:
                await call(sent, metadata=metadata, timeout=30)
            except grpc.aio.AioRpcError:
                continue
            raise AssertionError("was answered")
        path = f"/v1/{SITE}/customers:lookup?handle={new('unknown handle')}&{new('wrong field')}=1"
        await self.owner.gateway.ask("GET", path, headers={"Authorization": f"Bearer {self.owner.key}"})
        refused = keys.CreateKeyRequest(principal=f"No name {new('wrong field')}")
        await self.owner.try_to("CreateKey", refused)

    async def _pry(self, number: int) -> None:
        """Let others ask for what the first caller has said."""
        declined, waiting = f"{SITE}/contacts/d-{number}", f"{SITE}/contacts/w-{number}"
        for caller in self.others:
            for contact in (declined, waiting):
                await caller.try_to("GetContact", routing.GetContactRequest(name=contact))
            await caller.try_to("ListContacts", routing.ListContactsRequest(parent=SITE, page_size=5))
            await caller.try_to("LookupCustomer", customers.LookupCustomerRequest(parent=SITE, handle="somebody"))
            await caller.try_to("CancelContact", routing.CancelContactRequest(name=f"{SITE}/contacts/none-{number}"))
            await caller.try_to("ListPraise", feedback.ListPraiseRequest(parent=SITE, agent=f"{SITE}/agents/bea"))
            taken = roster.CreateAgentRequest(parent=SITE, agent_id="bea", agent=roster.Agent(interests=["I bake."]))
            await caller.try_to("CreateAgent", taken)
        watched = routing.WatchContactRequest(name=waiting, include_progress=True)
        await self.observer.ask("WatchContact", watched)
        try:
            await self.other.ask("RouteMessage", self._routed(f"t-{number}", "I sail.", "x"), seconds=0.001)
        except Failed:
            return
