"""Retry policy of the channels: a gRPC service config with the calls that gRPC may repeat by itself.

https://github.com/grpc/grpc/blob/master/doc/service_config.md
"""

from __future__ import annotations

import json

SAFE_TO_REPEAT = {
    "matcher.v1.RoutingService": (
        "RouteMessage",  # this client always sends a request_id
        "RouteMessages",  # likewise
        "SuggestAgents",
        "AcceptReservation",
        "DeclineReservation",
        "RenewReservation",
        "CancelReservation",
        "GetReservation",
        "ListReservations",
        "GetContact",
        "ListContacts",
        "CancelContact",
        "TouchReservation",
        "TransferContact",  # this client always sends a request_id
        "GetDecision",
    ),
    "matcher.v1.RosterService": (
        "GetAgent",
        "ListAgents",
        "SetAgentStatus",
        "BeatAgent",
        "GetPool",
        "ListPools",
        "ListSites",
    ),
}
"""Calls whose repeat changes nothing more. CompleteReservation is not among them: a second call ends the wrap-up."""

POLICY = {
    "maxAttempts": 5,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    # A server that drains under load refuses streams that it never read; gRPC reports some of them as CANCELLED.
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}


def service_config() -> str:
    """Return the service config of a channel, as JSON."""
    names = [{"service": service, "method": name} for service, names in SAFE_TO_REPEAT.items() for name in names]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": POLICY}]})
