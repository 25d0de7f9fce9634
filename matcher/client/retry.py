"""Retry policy of the channels: a gRPC service config with the calls that gRPC may repeat by itself.

https://github.com/grpc/grpc/blob/master/doc/service_config.md
"""

from __future__ import annotations

import json

import grpc

OUTCOME_UNKNOWN = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
"""Codes after which the server may have done what was requested."""

SAFE_TO_REPEAT = {
    "matcher.v1.RoutingService": (
        "RouteMessage",  # this client always sends a request_id
        "RouteMessages",  # likewise
        "SuggestAgents",
        "AcceptReservation",
        "DeclineReservation",
        "RenewReservation",
        "EndWrapUp",
        "CancelReservation",
        "GetReservation",
        "ListReservations",
        "GetContact",
        "ListContacts",
        "CancelContact",
        "TouchReservation",
        "TransferContact",  # this client always sends a request_id
        "AssignContact",  # likewise
        "GetDecision",
    ),
    "matcher.v1.RosterService": (
        "GetAgent",
        "ListAgents",
        "ForgetAgent",
        "SetAgentStatus",
        "BeatAgent",
        "GetPool",
        "ListPools",
        "ListSites",
        "GetInterestMap",
    ),
    "matcher.v1.CustomerService": (
        "PutCustomer",  # this client always sends a request_id
        "GetCustomer",
        "LookupCustomer",
        "ListCustomers",
        "LinkCustomers",
    ),
    "matcher.v1.FeedbackService": (
        "RecordOutcome",
        "RecordOutcomes",
        "GetOutcomes",
        "ListPraise",
        "GetImpactReport",
        "GetCoverage",
    ),
    "matcher.v1.KeyService": ("ListKeys",),
}
"""Calls whose repeat changes nothing more. CompleteReservation is not among them: where a pool keeps the former meaning
of a second call (second_complete_ends_wrap_up), a repeat would end the wrap-up. Nor are UpdateAgent and UpdatePool:
where the first attempt was done, the etag that both send is no longer current. The client's methods repeat these three.
"""

MOST_ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.05

POLICY = {
    "maxAttempts": MOST_ATTEMPTS,
    "initialBackoff": f"{FIRST_PAUSE_SECONDS:g}s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    # A server that drains under load refuses streams that it never read; gRPC reports some of them as CANCELLED.
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}

THROTTLING = {
    # A failed attempt takes one token, and at half of the tokens nothing is repeated any more: so 500 failed attempts
    # are repeated, as many as 250 calls at once need to bridge a failover of the store (two each), and a service that
    # is down for long gets no fivefold load. 1,000 is the most that gRPC takes.
    "maxTokens": 1_000,
    # A call that succeeds gives this part of a token back: then one call in ten may be repeated.
    "tokenRatio": 0.1,
}


def service_config() -> str:
    """Return the service config of a channel, as JSON."""
    names = [{"service": service, "method": name} for service, names in SAFE_TO_REPEAT.items() for name in names]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": POLICY}], "retryThrottling": THROTTLING})
