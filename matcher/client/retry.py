"""Which calls gRPC may repeat by itself, as a service config (https://github.com/grpc/grpc/blob/master/doc/service_config.md)."""

from __future__ import annotations

import json

SAFE_TO_REPEAT = {
    "matcher.v1.RoutingService": (
        "RouteMessage",  # always with a request_id here
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
"""Calls whose repeat changes nothing more. CompleteReservation is not one: a second call ends the wrap-up."""

POLICY = {
    "maxAttempts": 5,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    # A server that drains under load refuses streams it never read; gRPC reports some of those as CANCELLED.
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}


def service_config() -> str:
    """Return the service config of a channel, as JSON."""
    names = [{"service": service, "method": name} for service, names in SAFE_TO_REPEAT.items() for name in names]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": POLICY}]})
