"""Whatever is done in whatever order, at whichever server: the service does what plain Python would."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from matcher.errors import (
    AgentExists,
    AgentHasHolds,
    AgentNotFound,
    ContactEnded,
    ContactHeld,
    FenceStale,
    MatcherError,
    RequestIdReused,
    ReservationLapsed,
    ReservationStateWrong,
)
from matcher.floors import Floors
from matcher.lifecycle import AgentStatus, ContactState, ReservationState
from matcher.model import (
    AgentChange,
    Basis,
    Capacity,
    ChannelCapacity,
    Held,
    Message,
    PoolPolicy,
    Profile,
    Requirements,
    Reservation,
    Unmatched,
)
from matcher.store.embedded import EmbeddedSettings, EmbeddedStore
from matcher.store.keys import Keys
from tests.model.house import House, Repeating
from tests.model.plain import FOREVER, LATER, MAKES, Ask, Plain, PlainAgent, PlainReservation
from tests.model.stored import Stored
from tests.model.words import WordEncoder
from tests.store.access import PRODUCT, Admin, as_user, make_users

T = TypeVar("T")

EXAMPLES: Final = int(os.environ.get("STATE_MACHINE_EXAMPLES", "50"))
STEPS: Final = int(os.environ.get("STATE_MACHINE_STEPS", "40"))
LATER_MS: Final = 600_000
LONG_PAST_MS: Final = 60_000
"""More than any clock here is off."""
TOLERANCES: Final = (0.0, 0.05, 1.0)
ONLINE: Final = AgentStatus.ONLINE
PENDING, ACCEPTED, WRAPPING = ReservationState.PENDING, ReservationState.ACCEPTED, ReservationState.WRAPPING
TWO: Final = Capacity(2, {"chat": ChannelCapacity(1, 0), "voice": ChannelCapacity(2, 1)})

agents = st.sampled_from(["ann", "bob", "cy"])
contacts = st.sampled_from(["c1", "c2", "c3", "c4", "", ""])
pools = st.sampled_from(["default", "night"])
channels = st.sampled_from(["chat", "chat", "chat", "voice"])
statuses = st.sampled_from([ONLINE, ONLINE, ONLINE, AgentStatus.DRAINING, AgentStatus.OFFLINE])
texts = st.sampled_from(["my roses wither", "the marathon hurts", "roses and marathon", "hello", "jazz all night"])
terms = st.builds(ChannelCapacity, st.integers(1, 2), st.integers(0, 2))
capacities = st.builds(
    Capacity, st.sampled_from([2, 1, 3, 0]), st.fixed_dictionaries({"chat": terms}, optional={"voice": terms})
)
interests = st.lists(st.sampled_from(["roses", "marathon", "jazz", "trains"]), min_size=1, max_size=2, unique=True).map(
    tuple
)
memberships = st.sampled_from([("default", "night"), ("default", "night"), ("default",), ("night",)])
profiles = st.builds(Profile, st.just(""), interests, capacity=capacities, pools=memberships)
requests = st.sampled_from(["", "", "q1", "q2", "q3"])
servers = st.integers(0, 1)
picks = st.integers(0, 1_000)


class Service(RuleBasedStateMachine):
    """Two servers on one store, and plain Python beside them."""

    sites = itertools.count()

    def __init__(self, runner: asyncio.Runner, connection: Repeating, encoder: WordEncoder, floors: Floors) -> None:
        super().__init__()
        self.runner = runner
        self.connection = connection
        self.parts = (encoder, floors)
        self.site = f"s{next(self.sites)}"
        self.keys = Keys(self.site)
        self.plain = Plain()
        self.houses: list[House] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the loop that both servers live on."""
        return self.runner.run(work)

    @initialize()
    def open(self) -> None:
        """Start two servers on a new site with two pools and two agents."""

        async def opening() -> None:
            self.houses = [await House.open(self.connection, *self.parts) for _ in range(2)]
            await self.houses[0].roster.create_site(self.site)
            night = PoolPolicy(affinity_floor=0.1, affinity_tolerance=1.0, wrap_up_ms=LATER_MS)
            await self.houses[1].roster.create_pool(self.site, "night", night)
            await self.everybody_catches_up()

        self.run(opening())
        self.plain.wraps_up["night"] = True
        self.register(0, "ann", Profile("", ("roses",), capacity=TWO, pools=("default", "night")), ONLINE, False)
        self.register(1, "bob", Profile("", ("marathon",), capacity=TWO, pools=("night", "default")), ONLINE, False)

    def teardown(self) -> None:
        """Stop both servers and remove the site."""

        async def closing() -> None:
            for house in self.houses:
                await house.close()
            await self.connection.delete_matching(self.keys.pattern)

        self.run(closing())

    async def everybody_catches_up(self) -> None:
        """Let both servers take in what was written."""
        stored = await Stored.read(self.connection, self.site)
        for house in self.houses:
            await house.catch_up(self.site, stored.ends)

    def attempt(self, work: Awaitable[T], *, twice: bool = False) -> T | MatcherError:
        """Do something; give its result, or the error it ends with."""

        async def attempting() -> T | MatcherError:
            self.connection.twice = twice
            try:
                return await work
            except MatcherError as refused:
                return refused
            finally:
                self.connection.twice = False

        return self.run(attempting())

    # What admins do.

    @rule(
        what=st.sampled_from(["register", "change", "change", "declare", "declare", "delete"]),
        server=servers,
        agent=agents,
        profile=profiles,
        status=statuses,
        thorough=st.booleans(),
        twice=st.booleans(),
    )
    def keep_the_roster(
        self, what: str, server: int, agent: str, profile: Profile, status: AgentStatus, thorough: bool, twice: bool
    ) -> None:
        """Create, change or delete an agent, or set their status."""
        if agent not in self.plain.agents and what != "delete":
            what = "register"
        match what:
            case "register":
                self.register(server, agent, profile, status, twice)
            case "change":
                self.change(server, agent, profile, thorough, twice)
            case "declare":
                self.declare(server, agent, status, twice)
            case _:
                self.delete(server, agent, thorough)

    @rule(
        what=st.sampled_from(["policy", "restart", "sweep", "sweep"]),
        server=servers,
        pool=pools,
        tolerance=st.sampled_from(TOLERANCES),
        wrap_up=st.booleans(),
    )
    def keep_the_house(self, what: str, server: int, pool: str, tolerance: float, wrap_up: bool) -> None:
        """Change a policy, restart a server, or let it write down what lapsed."""
        match what:
            case "policy":
                self.set_policy(server, pool, tolerance, wrap_up)
            case "restart":
                self.restart(server)
            case _:
                self.run(self.houses[server].sweep(self.site))

    def register(self, server: int, agent: str, profile: Profile, status: AgentStatus, twice: bool) -> None:
        """Create an agent."""
        done = self.attempt(self.houses[server].roster.create_agent(self.site, agent, profile, status), twice=twice)
        if agent in self.plain.agents:
            assert isinstance(done, AgentExists), done
        else:
            assert not isinstance(done, MatcherError), done
            self.plain.agents[agent] = PlainAgent(profile, status)

    def change(self, server: int, agent: str, profile: Profile, whole: bool, twice: bool) -> None:
        """Change an agent's capacity, or everything about them."""
        change = AgentChange(capacity=profile.capacity)
        if whole:
            change = AgentChange(capacity=profile.capacity, interests=profile.interests, pools=profile.pools)
        done = self.attempt(self.houses[server].roster.update_agent(self.site, agent, change, ""), twice=twice)
        if agent not in self.plain.agents:
            assert isinstance(done, AgentNotFound), done
            return
        assert not isinstance(done, MatcherError), done
        before = self.plain.agents[agent].profile
        self.plain.agents[agent].profile = (
            profile if whole else Profile("", before.interests, capacity=profile.capacity, pools=before.pools)
        )
        assert done.profile == self.plain.agents[agent].profile

    def declare(self, server: int, agent: str, status: AgentStatus, twice: bool) -> None:
        """Set an agent's status."""
        done = self.attempt(self.houses[server].roster.set_status(self.site, agent, status), twice=twice)
        if agent in self.plain.agents:
            assert not isinstance(done, MatcherError), done
            self.plain.agents[agent].status = status
        else:
            assert isinstance(done, AgentNotFound), done

    def delete(self, server: int, agent: str, force: bool) -> None:
        """Delete an agent, with force or not."""
        held = self.plain.held(agent)
        done = self.attempt(self.houses[server].roster.delete_agent(self.site, agent, "", force))
        if agent not in self.plain.agents:
            assert isinstance(done, AgentNotFound), done
        elif held and not force:
            assert isinstance(done, AgentHasHolds), done
        else:
            assert done is None, done
            for name, one in held.items():
                ends = ReservationState.COMPLETED if one.state is WRAPPING else ReservationState.CANCELED
                self.plain.becomes(name, ends)
            del self.plain.agents[agent]

    def set_policy(self, server: int, pool: str, tolerance: float, wrap_up: bool) -> None:
        """Change a pool's policy, and let everybody know."""
        change = {"affinity_tolerance": tolerance, "affinity_floor": 0.1, "wrap_up_ms": LATER_MS if wrap_up else 0}
        assert not isinstance(
            self.attempt(self.houses[server].roster.update_pool(self.site, pool, change, "")), MatcherError
        )
        self.plain.wraps_up[pool] = wrap_up
        self.run(self.everybody_catches_up())

    # What a platform does.

    @rule(
        server=servers,
        ask=st.builds(Ask, contacts, pools, channels, texts, st.booleans()),
        request=requests,
        current=st.booleans(),
        twice=st.booleans(),
    )
    def route(self, server: int, ask: Ask, request: str, current: bool, twice: bool) -> None:
        """Ask for an agent."""
        if current:
            self.run(self.everybody_catches_up())
        known = self.plain.requests.get(request)
        contact = self.plain.contacts.get(ask.contact)
        answer = self.attempt(
            self.houses[server].router.route(
                self.site,
                Message(ask.text, "", Requirements(pool=ask.pool, channel=ask.channel)),
                contact_id=ask.contact,
                request_id=request,
                digest=repr(ask).encode(),
                auto_accept=ask.auto_accept,
                explain_unmatched=False,
            ),
            twice=twice,
        )
        if known is not None and known[0] != ask:
            assert isinstance(answer, RequestIdReused), answer
        elif known is not None:
            assert isinstance(answer, Held), answer
            assert answer.replayed
            assert answer.reservation.id == known[1]
            assert answer.reservation.state is self.plain.reservations[known[1]].state
        elif contact and contact.state in {ContactState.RESERVED, ContactState.ASSIGNED}:
            assert isinstance(answer, ContactHeld), answer
        elif contact and contact.state is not ContactState.QUEUED:
            assert isinstance(answer, ContactEnded), answer
        else:
            self.take_in(ask, request, answer, current, twice)

    def take_in(
        self, ask: Ask, request: str, answer: Held | Unmatched | MatcherError, current: bool, twice: bool
    ) -> None:
        """Check who was held for a request that was not answered before, and write it down."""
        assert not isinstance(answer, MatcherError), answer
        eligible = self.plain.eligible(ask)
        if isinstance(answer, Unmatched):
            assert not (current and eligible), (answer, eligible)
            return
        held = answer.reservation
        assert answer.replayed == (twice and bool(request))
        assert held.agent in eligible
        assert held.fence > self.plain.fences.get(held.agent, 0)
        self.check_choice(held.agent, eligible, answer)
        cost = self.plain.agents[held.agent].profile.capacity.channels[ask.channel].cost
        state = ACCEPTED if ask.auto_accept else PENDING
        assert (held.cost, held.state, held.contact) == (cost, state, ask.contact or held.contact)
        self.plain.hold(
            held.id, PlainReservation(held.agent, held.contact, ask.channel, cost, held.fence, state, pool=ask.pool)
        )
        if request:
            self.plain.requests[request] = (ask, held.id)
        # Nothing is claimed above the capacity of this moment, as the store's own leases say.
        capacity = self.plain.agents[held.agent].profile.capacity
        leases = self.run(Stored.read(self.connection, self.site)).leases.get(held.agent, {}).values()
        assert sum(hold.cost for hold in leases) <= capacity.total
        most = capacity.channels[ask.channel].max
        assert not most or sum(hold.channel == ask.channel for hold in leases) <= most

    def check_choice(self, taken: str, eligible: set[str], answer: Held) -> None:
        """Of those asked about who had room, nobody within the tolerance of the best was less utilised."""
        decision = self.run(self.houses[0].router.decision(self.site, answer.reservation.decision))
        if decision.ranking.basis is not Basis.AFFINITY:
            return
        affinity = {one.agent: one.affinity for one in decision.ranking.candidates if one.agent in eligible}
        equal_from = max(affinity.values()) - decision.ranking.affinity_tolerance
        equals = {agent for agent, value in affinity.items() if value >= equal_from}
        assert taken in equals
        used = {agent: self.plain.utilization(agent) for agent in equals}
        assert used[taken] == min(used.values())

    @rule(server=servers, ask=st.builds(Ask, st.just(""), pools, channels, texts, st.booleans()))
    def route_someone_new(self, server: int, ask: Ask) -> None:
        """Ask for an agent as most platforms do."""
        self.route(server=server, ask=ask, request="", current=True, twice=False)

    @precondition(lambda self: self.plain.requests)
    @rule(server=servers, pick=picks, twice=st.booleans())
    def repeat_a_request(self, server: int, pick: int, twice: bool) -> None:
        """Ask again what was answered before."""
        request = sorted(self.plain.requests)[pick % len(self.plain.requests)]
        self.route(server=server, ask=self.plain.requests[request][0], request=request, current=False, twice=twice)

    @precondition(lambda self: self.plain.live())
    @rule(server=servers, pick=picks, fenced=st.booleans(), twice=st.booleans())
    def accept(self, server: int, pick: int, fenced: bool, twice: bool) -> None:
        """Accept an offer, or what was accepted."""
        self.transition(server, self.a_live_one(pick), "accept", fenced, None, twice)

    @precondition(lambda self: self.plain.live(PENDING))
    @rule(server=servers, pick=picks, retry=st.sampled_from([None, 0, LATER_MS]), twice=st.booleans())
    def decline(self, server: int, pick: int, retry: int | None, twice: bool) -> None:
        """Decline an offer: for ever, for now, or for a while."""
        self.transition(server, self.a_live_one(pick, PENDING), "decline", True, retry, twice)

    @precondition(lambda self: self.plain.live(ACCEPTED, WRAPPING))
    @rule(server=servers, pick=picks, fenced=st.booleans(), twice=st.booleans())
    def complete(self, server: int, pick: int, fenced: bool, twice: bool) -> None:
        """End a conversation, or its wrap-up."""
        name = self.a_live_one(pick, ACCEPTED, WRAPPING)
        self.transition(server, name, "complete", fenced, None, twice)

    @precondition(lambda self: self.plain.live())
    @rule(server=servers, pick=picks, verb=st.sampled_from(["cancel", "renew"]), twice=st.booleans())
    def cancel_or_renew(self, server: int, pick: int, verb: str, twice: bool) -> None:
        """Give a slot back, or keep it longer."""
        self.transition(server, self.a_live_one(pick), verb, True, None, twice)

    @precondition(lambda self: self.plain.reservations)
    @rule(server=servers, pick=picks, verb=st.sampled_from(sorted(MAKES)), twice=st.booleans())
    def try_anything(self, server: int, pick: int, verb: str, twice: bool) -> None:
        """Do something with a reservation, whatever became of it."""
        names = list(self.plain.reservations)
        self.transition(server, names[pick % len(names)], verb, False, None, twice)

    @precondition(lambda self: self.plain.reservations)
    @rule(server=servers, pick=picks, verb=st.sampled_from(sorted(MAKES)), older=st.sampled_from([-1, 1]))
    def use_another_fence(self, server: int, pick: int, verb: str, older: int) -> None:
        """Do something with a fence that is not the reservation's."""
        names = list(self.plain.reservations)
        name = names[pick % len(names)]
        done = self.attempt(self.call(server, name, verb, self.plain.reservations[name].fence + older, None))
        assert isinstance(done, FenceStale), done

    def call(self, server: int, name: str, verb: str, fence: int, retry: int | None) -> Awaitable[Reservation]:
        """Call a server about a reservation."""
        router = self.houses[server].router
        calls: dict[str, Callable[[], Awaitable[Reservation]]] = {
            "accept": lambda: router.accept(self.site, name, fence),
            "decline": lambda: router.decline(self.site, name, fence, "", retry),
            "renew": lambda: router.renew(self.site, name, fence, LATER_MS),
            "complete": lambda: router.complete(self.site, name, fence),
            "cancel": lambda: router.cancel(self.site, name, fence),
        }
        return calls[verb]()

    def transition(self, server: int, name: str, verb: str, fenced: bool, retry: int | None, twice: bool) -> None:
        """Do something with a reservation, and check what becomes of it."""
        one = self.plain.reservations[name]
        done = self.attempt(self.call(server, name, verb, one.fence if fenced else 0, retry), twice=twice)
        makes = MAKES[verb].get(one.state)
        if makes is None and one.state is ReservationState.EXPIRED:
            assert isinstance(done, ReservationLapsed), done
        elif makes is None:
            # A wrap-up that lapsed says so until it is swept.
            assert isinstance(done, ReservationStateWrong) or (one.lapsed and isinstance(done, ReservationLapsed)), done
        else:
            if makes is WRAPPING and not self.plain.wraps_up.get(one.pool):
                makes = ReservationState.COMPLETED
            assert not isinstance(done, MatcherError), done
            assert done.state is makes
            self.plain.becomes(name, makes, excluded={None: FOREVER, 0: "", LATER_MS: LATER}[retry])

    def a_live_one(self, pick: int, *states: ReservationState) -> str:
        """Pick a live reservation."""
        live = self.plain.live(*states)
        return live[pick % len(live)]

    # What time does.

    @precondition(lambda self: self.plain.live())
    @rule(pick=picks)
    def lapse(self, pick: int) -> None:
        """Let a deadline pass, by moving it where the store keeps it."""
        name = self.a_live_one(pick)
        one = self.plain.reservations[name]

        async def passing() -> None:
            past = await self.connection.time_ms() - LONG_PAST_MS
            member = f"{name}|{one.channel}|{one.cost}"
            await self.connection.pipeline(
                [
                    ("HSET", self.keys.reservation(name), "deadline", past),
                    ("ZADD", self.keys.lease(one.agent), "XX", past, member),
                    ("ZADD", self.keys.due, "XX", past, f"reservation|{name}"),
                    ("XADD", self.keys.load, "0-*", "e", f"hold|{one.agent}|{member}|{past}|{past}"),
                ]
            )
            if self.plain.contacts[one.contact].reservation == name:
                await self.connection.run("HSET", self.keys.contact(one.contact), "until", past)

        self.run(passing())
        self.plain.lapse(name)

    @precondition(lambda self: any(LATER in one.excluded.values() for one in self.plain.contacts.values()))
    @rule(pick=picks)
    def retry_after_passes(self, pick: int) -> None:
        """Let the time pass after which an agent may be offered a contact again."""
        waiting = [
            (name, agent)
            for name, one in self.plain.contacts.items()
            for agent, until in one.excluded.items()
            if until == LATER
        ]
        name, agent = waiting[pick % len(waiting)]
        self.run(self.connection.run("HSET", self.keys.contact(name), f"x:{agent}", 1))
        del self.plain.contacts[name].excluded[agent]

    def restart(self, server: int) -> None:
        """Stop a server, and start another in its place."""

        async def restarting() -> None:
            await self.houses[server].close()
            self.houses[server] = await House.open(self.connection, *self.parts)

        self.run(restarting())

    # What holds at every moment.

    @invariant()
    def everything_agrees(self) -> None:
        """Compare the store with itself, with plain Python, and with what each server knows."""
        if not self.houses:
            return
        stored = self.run(Stored.read(self.connection, self.site))
        assert stored.live() == stored.leases, "a live reservation has its lease, and a lease its reservation"
        for holds in stored.leases.values():
            for hold in holds.values():
                assert stored.due[hold.reservation] == hold.deadline_ms
        assert stored.endless == [], "every key has a lifetime or is listed as permanent"
        self.check_plain(stored)
        self.run(self.check_servers(stored))

    def check_plain(self, stored: Stored) -> None:
        """Compare the store with plain Python."""
        for name, one in self.plain.reservations.items():
            read = stored.reservation(name)
            assert (read.state, read.agent, read.fence) == (one.state, one.agent, one.fence)
        for name, known in self.plain.contacts.items():
            contact = stored.contact(name)
            assert (contact.state, contact.reservation) == (known.state, known.reservation)
            assert set(contact.excluded) == set(known.excluded)
        busy = [self.plain.reservations[name].contact for name in self.plain.live(PENDING, ACCEPTED)]
        assert len(busy) == len(set(busy)), "a contact has at most one live reservation"
        assert len(stored.hashes["resv"]) == len(self.plain.reservations)
        assert {name: (agent.profile, agent.status) for name, agent in stored.agents().items()} == {
            name: (agent.profile, agent.status) for name, agent in self.plain.agents.items()
        }

    async def check_servers(self, stored: Stored) -> None:
        """Compare the store with what each server knows, once it has caught up."""
        for number, house in enumerate(self.houses):
            replica = await house.catch_up(self.site, stored.ends)
            known = {name: replica.index.agent(name) for name in replica.index.ids()}
            wanted = {name: replace(agent, updated_ms=0) for name, agent in stored.agents().items()}
            seen = {name: replace(agent, updated_ms=0) for name, agent in known.items() if agent}
            assert seen == wanted, f"server {number} knows who is there and what they hold"


def test_the_service_does_what_plain_python_would() -> None:
    """Any order of registering, changing, routing, accepting, declining, lapsing, completing, repeating, restarting.

    STATE_MACHINE_EXAMPLES and STATE_MACHINE_STEPS make it longer; it takes another way each time then.
    """
    longer = "STATE_MACHINE_EXAMPLES" in os.environ
    with tempfile.TemporaryDirectory(prefix="mt-") as folder, new_runner() as runner:
        store = runner.run(EmbeddedStore.open(EmbeddedSettings(Path(folder))))
        connection, encoder = Repeating(as_user(store.url, PRODUCT)), WordEncoder()
        floors = runner.run(prepared(store, connection, encoder))

        class ServiceHere(Service):
            def __init__(self) -> None:
                super().__init__(runner, connection, encoder, floors)

        try:
            run_state_machine_as_test(
                ServiceHere,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    derandomize=not longer,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(floors.close())
            runner.run(connection.close())
            runner.run(store.close())


def new_runner() -> asyncio.Runner:
    """Return a loop of its own, that leaves those of other tests alone."""
    return asyncio.Runner(loop_factory=asyncio.new_event_loop)


async def prepared(store: EmbeddedStore, connection: Repeating, encoder: WordEncoder) -> Floors:
    """Make the store's users, and what all servers share."""
    admin: Admin = Redis.from_url(store.url)
    await make_users(admin)
    # Nobody is killed here, so nothing needs to reach the disk.
    await admin.config_set("appendonly", "no")
    await admin.aclose()
    await connection.start()
    return await Floors.open(encoder)
