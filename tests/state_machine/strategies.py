"""Hypothesis strategies and constants of the state machine."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from matcher.model import (
    Capacity,
    ChannelCapacity,
    Profile,
)
from matcher.model.lifecycle import AgentStatus, ReservationState
from tests.state_machine.plain_records import Ask

LATER_MS: Final = 600_000
FAR_MS: Final = 10_000_000_000_000
"""A time that is never reached."""
LONG_PAST_MS: Final = 60_000
"""Longer than the difference between any two clocks here."""
MOST_DECLINED: Final = 2
"""Declined offers in a row after which an agent of the default pool is AWAY."""
TOLERANCES: Final = (0.0, 0.05, 1.0)
CONTROL_SHARES: Final = (0.0, 1e-12, 1.0)
"""No contact has an arm, all are treatment, all are control: never by chance, so that a failing example repeats."""
ONLINE: Final = AgentStatus.ONLINE
PENDING, ACCEPTED, WRAPPING = ReservationState.PENDING, ReservationState.ACCEPTED, ReservationState.WRAPPING
TWO: Final = Capacity(2, {"chat": ChannelCapacity(1, 0), "voice": ChannelCapacity(2, 1), "mail": ChannelCapacity(1, 1)})

WRAP_UPS: Final = ("complete", "transfer", "cancel", "expiry")
"""The ends of a conversation that a wrap-up may follow."""

agents = st.sampled_from(["ann", "bob", "cy"])
contacts = st.sampled_from(["c1", "c2", "c3", "c4", "", ""])
pools = st.sampled_from(["default", "night"])
channels = st.sampled_from(["chat", "chat", "chat", "voice", "mail"])
statuses = st.sampled_from([ONLINE, ONLINE, ONLINE, AgentStatus.DRAINING, AgentStatus.OFFLINE])
texts = st.sampled_from(["my roses wither", "the marathon hurts", "roses and marathon", "hello", "jazz all night"])
terms = st.builds(ChannelCapacity, st.integers(1, 2), st.integers(0, 2))
capacities = st.builds(
    Capacity,
    st.sampled_from([2, 1, 3, 4, 0]),
    st.fixed_dictionaries({"chat": terms}, optional={"voice": terms, "mail": terms}),
)
interests = st.lists(st.sampled_from(["roses", "marathon", "jazz", "trains"]), min_size=1, max_size=2, unique=True).map(
    tuple
)
memberships = st.sampled_from([("default", "night"), ("default", "night"), ("default",), ("night",)])
profiles = st.builds(Profile, st.just(""), interests, capacity=capacities, pools=memberships)
requests = st.sampled_from(["", "", "q1", "q2", "q3"])
servers = st.integers(0, 1)
control_shares = st.sampled_from(CONTROL_SHARES)
wrap_ups = st.frozensets(st.sampled_from(WRAP_UPS))
picks = st.integers(0, 1_000)


def asks(contact: st.SearchStrategy[str], wait: st.SearchStrategy[bool]) -> st.SearchStrategy[Ask]:
    """Draw the request of a platform."""
    return st.builds(Ask, contact, pools, channels, texts, st.booleans(), wait)
