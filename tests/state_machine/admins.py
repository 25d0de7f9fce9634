"""The rules of admins: what they change at the two servers, and what must follow."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    rule,
)

from matcher.errors import (
    AgentExists,
    AgentHasHolds,
    AgentNotFound,
    MatcherError,
)
from matcher.model import (
    AgentChange,
    Profile,
)
from matcher.model.lifecycle import AgentStatus, ReservationState
from tests.state_machine.plain_records import PlainAgent
from tests.state_machine.strategies import (
    LATER_MS,
    ONLINE,
    PENDING,
    TOLERANCES,
    TWO,
    WRAP_UPS,
    WRAPPING,
    agents,
    control_shares,
    pools,
    profiles,
    servers,
    statuses,
    wrap_ups,
)
from tests.state_machine.two_servers import TwoServers


class Admins(TwoServers):
    """Change agents, pools and servers."""

    @initialize(share=control_shares, night_share=control_shares)
    def open(self, share: float, night_share: float) -> None:
        """Create two agents, one of them idle for longer: at equal milliseconds the choice would be random."""
        self.open_servers(share, night_share)
        both = ("default", "night")
        self.register(0, "ann", Profile("", ("roses",), capacity=TWO, pools=both), ONLINE, False)
        self.everything_agrees()
        self.register(1, "bob", Profile("", ("marathon",), capacity=TWO, pools=both), ONLINE, False)

    @rule(
        what=st.sampled_from(["register", "change", "change", "declare", "declare", "delete"]),
        server=servers,
        agent=agents,
        profile=profiles,
        status=statuses,
        thorough=st.booleans(),
        twice=st.booleans(),
    )
    def change_the_roster(
        self, what: str, server: int, agent: str, profile: Profile, status: AgentStatus, thorough: bool, twice: bool
    ) -> None:
        """Create, change or delete an agent, or set the status."""
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
        wrap_up=wrap_ups,
        share=control_shares,
    )
    def change_policy_restart_or_sweep(
        self, what: str, server: int, pool: str, tolerance: float, wrap_up: frozenset[str], share: float
    ) -> None:
        """Change a policy, restart a server, or let a server sweep what has lapsed."""
        match what:
            case "policy":
                self.set_policy(server, pool, tolerance, wrap_up, share)
            case "restart":
                self.restart(server)
            case _:
                overdue = list(self.plain.lapses)
                self.run(self.instances[server].sweep(self.site))
                self.plain.written_down(overdue)

    def register(self, server: int, agent: str, profile: Profile, status: AgentStatus, twice: bool) -> None:
        """Create an agent."""
        done = self.attempt(self.instances[server].agents.create_agent(self.site, agent, profile, status), twice=twice)
        if agent in self.plain.agents:
            assert isinstance(done, AgentExists), done
        else:
            assert not isinstance(done, MatcherError), done
            self.plain.agents[agent] = PlainAgent(profile, status)

    def change(self, server: int, agent: str, profile: Profile, whole: bool, twice: bool) -> None:
        """Change an agent's capacity, or the whole profile."""
        change = AgentChange(capacity=profile.capacity)
        if whole:
            change = AgentChange(capacity=profile.capacity, interests=profile.interests, pools=profile.pools)
        done = self.attempt(self.instances[server].agents.update_agent(self.site, agent, change, ""), twice=twice)
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
        done = self.attempt(self.instances[server].agents.set_status(self.site, agent, status), twice=twice)
        if agent in self.plain.agents:
            assert not isinstance(done, MatcherError), done
            if self.plain.agents[agent].status is not status:
                self.plain.agents[agent].declined = 0
            self.plain.agents[agent].status = status
            if status is AgentStatus.OFFLINE:
                self.withdraw_offers(agent)
        else:
            assert isinstance(done, AgentNotFound), done

    def delete(self, server: int, agent: str, force: bool) -> None:
        """Delete an agent, with or without force."""
        held = self.plain.held(agent)
        done = self.attempt(self.instances[server].agents.delete_agent(self.site, agent, "", force))
        if agent not in self.plain.agents:
            assert isinstance(done, AgentNotFound), done
        elif held and not force:
            assert isinstance(done, AgentHasHolds), done
        else:
            assert done is None, done
            for name, reservation in self.plain.held(agent).items():
                ends = reservation.ends if reservation.state is WRAPPING else ReservationState.CANCELED
                assert ends is not None
                self.plain.becomes(name, ends, removed=True)
            for reservation in self.plain.reservations.values():
                reservation.agent_removed |= reservation.agent == agent
            del self.plain.agents[agent]
            for contact in self.plain.contacts.values():
                contact.removed |= {agent} & set(contact.excluded)
            self.plain.earmarked.discard(agent)

    def withdraw_offers(self, agent: str) -> None:
        """Note that offers to an agent who went offline, or is AWAY for declined offers, are withdrawn."""
        for name, reservation in self.plain.held(agent).items():
            if reservation.state is PENDING:
                self.plain.becomes(name, ReservationState.CANCELED, withdrawn=True)

    def set_policy(self, server: int, pool: str, tolerance: float, wrap_up: frozenset[str], share: float) -> None:
        """Change a pool's policy, and let both servers apply the change."""
        change = {
            "affinity_tolerance": tolerance,
            "affinity_floor": 0.1,
            "control_share": share,
            **{f"after_{how}_ms": LATER_MS if how in wrap_up else 0 for how in WRAP_UPS},
            "idle_ms": LATER_MS,
        }
        assert not isinstance(
            self.attempt(self.instances[server].pools.update_pool(self.site, pool, change, "")), MatcherError
        )
        self.plain.wraps_up[pool] = wrap_up
        self.run(self.catch_up_all())
