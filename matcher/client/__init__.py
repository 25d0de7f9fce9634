"""A typed, asynchronous client of the service.

>>> async with MatcherClient("localhost:50051", site="default") as client:
...     answer = await client.route("My tent leaks, and we leave for the coast on Friday.")
"""

from __future__ import annotations

from matcher.client.connection import Connection, Deadlines
from matcher.client.contact_calls import ContactCalls
from matcher.client.coverage_calls import CoverageCalls
from matcher.client.credentials import FixedToken, TokenCommand, TokenFile, certificates_of, token_of_environment
from matcher.client.customer_calls import CustomerCalls
from matcher.client.failure import MatcherCallError, Violation
from matcher.client.feedback_calls import FeedbackCalls
from matcher.client.impact_calls import ImpactCalls
from matcher.client.joint_calls import JointCalls
from matcher.client.key_calls import KeyCalls
from matcher.client.roster_calls import RosterCalls
from matcher.client.routing_calls import RoutingCalls

__all__ = [
    "Deadlines",
    "FixedToken",
    "MatcherCallError",
    "MatcherClient",
    "TokenCommand",
    "TokenFile",
    "Violation",
    "certificates_of",
    "token_of_environment",
]


class MatcherClient(
    RoutingCalls,
    JointCalls,
    ContactCalls,
    RosterCalls,
    CustomerCalls,
    FeedbackCalls,
    ImpactCalls,
    CoverageCalls,
    KeyCalls,
    Connection,
):
    """Calls the service for one site.

    A method returns the generated message or raises `MatcherCallError`. Ids are plain ("maya") or full resource names
    ("sites/default/agents/maya"). Each call has the deadline of its class (`Deadlines`), or the `deadline` argument, in
    seconds. gRPC repeats calls that are safe to repeat when a server stops. A `watch_…` method returns an asynchronous
    generator: end it with `aclose`. Where the stream breaks off it resumes by itself without a gap; it raises
    `MatcherCallError` where the first attempt brings no answer, and where the service refuses to go on.
    """
