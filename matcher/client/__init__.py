"""A typed, asynchronous client of the service.

>>> async with MatcherClient("localhost:50051", site="default") as client:
...     answer = await client.route("My tent leaks, and we leave for the coast on Friday.")
"""

from __future__ import annotations

from matcher.client.connection import Connection, Deadlines
from matcher.client.contact_calls import ContactCalls
from matcher.client.failure import MatcherCallError, Violation
from matcher.client.joint_calls import JointCalls
from matcher.client.roster_calls import RosterCalls
from matcher.client.routing_calls import RoutingCalls

__all__ = ["Deadlines", "MatcherCallError", "MatcherClient", "Violation"]


class MatcherClient(RoutingCalls, JointCalls, ContactCalls, RosterCalls, Connection):
    """Calls the service for one site.

    A method returns the generated message or raises `MatcherCallError`. Ids are plain ("maya") or whole names
    ("sites/default/agents/maya"). Each call has the deadline of its class (`Deadlines`), or the one given, in
    seconds. Calls that are safe to repeat are repeated by gRPC when a server goes away. What watches is an asynchronous
    generator, which ends with `aclose` and raises where the stream breaks off.
    """
