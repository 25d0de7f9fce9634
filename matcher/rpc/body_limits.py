"""Limits of the bodies, by method: a larger body is refused before anything of it is decoded."""

from __future__ import annotations

from typing import Final

from matcher.v1 import customers_pb2, feedback_pb2, keys_pb2, roster_pb2, routing_pb2

KIB: Final = 2**10
MIB: Final = 2**20

ROUTE_BYTES: Final = 512 * KIB
"""A mail of 256 KiB, 256 excluded agents, 64 skills and 8 preferred agents with their whole names are 314 KiB: more
than that, so that only what no client writes is refused here and not by its field's name."""
AGENT_BYTES: Final = 256 * KIB
"""64 interests of 512 characters of four bytes are 128 KiB, and skills, languages, channels and pools 30 KiB more."""
FRAME_BYTES: Final = 512 * KIB
"""A row of an import is one agent: a row above AGENT_BYTES is rejected by itself, a frame above this ends the import.
16 MiB of empty parts of an agent took half a second of the event loop before they were refused."""
CUSTOMER_BYTES: Final = 128 * KIB
"""16 interests of 512 and their sources of 128 characters of four bytes are 40 KiB, and 16 handles 16 KiB more."""
BATCH_BYTES: Final = 16 * MIB
"""256 messages of 8,000 characters of four bytes are 8 MiB, with everything else that they may ask for twice that."""
OUTCOMES_BYTES: Final = 3 * MIB
"""500 outcomes with 16 metrics each, and praise of 1,000 characters of four bytes, are 2.7 MiB. 16 MiB of empty
outcomes took 0.5 GB and held the event loop up for half a second before they were refused."""
SMALL_BYTES: Final = 64 * KIB
"""Ids, names, durations and a policy; the largest are 16 handles of 256 characters of four bytes, 16 KiB."""
GRPC_BYTES: Final = BATCH_BYTES + MIB
"""What gRPC itself receives of one message. It refuses more with its own text, so it stands above every limit here; and
it is what one call can occupy while its body is read."""

_BY_SERVICE: Final = {
    routing_pb2.DESCRIPTOR.services_by_name["RoutingService"]: {
        "RouteMessage": ROUTE_BYTES,
        "RouteMessages": BATCH_BYTES,
        "SuggestAgents": ROUTE_BYTES,
        "TransferContact": ROUTE_BYTES,
        "AssignContact": ROUTE_BYTES,
        "AcceptReservation": SMALL_BYTES,
        "DeclineReservation": SMALL_BYTES,
        "TouchReservation": SMALL_BYTES,
        "RenewReservation": SMALL_BYTES,
        "CompleteReservation": SMALL_BYTES,
        "EndWrapUp": SMALL_BYTES,
        "CancelReservation": SMALL_BYTES,
        "GetReservation": SMALL_BYTES,
        "ListReservations": SMALL_BYTES,
        "GetContact": SMALL_BYTES,
        "ListContacts": SMALL_BYTES,
        "CancelContact": SMALL_BYTES,
        "WatchContact": SMALL_BYTES,
        "WatchEvents": SMALL_BYTES,
        "LinkCustomer": SMALL_BYTES,
        "GetDecision": SMALL_BYTES,
    },
    roster_pb2.DESCRIPTOR.services_by_name["RosterService"]: {
        "CreateAgent": AGENT_BYTES,
        "GetAgent": SMALL_BYTES,
        "ListAgents": SMALL_BYTES,
        "UpdateAgent": AGENT_BYTES,
        "DeleteAgent": SMALL_BYTES,
        "ForgetAgent": SMALL_BYTES,
        "ImportAgents": FRAME_BYTES,
        "SetAgentStatus": SMALL_BYTES,
        "BeatAgent": SMALL_BYTES,
        "WatchReservations": SMALL_BYTES,
        "CreatePool": SMALL_BYTES,
        "GetPool": SMALL_BYTES,
        "ListPools": SMALL_BYTES,
        "UpdatePool": SMALL_BYTES,
        "DeletePool": SMALL_BYTES,
        "CreateSite": SMALL_BYTES,
        "ListSites": SMALL_BYTES,
        "DeleteSite": SMALL_BYTES,
        "GetUsage": SMALL_BYTES,
        "GetInterestMap": SMALL_BYTES,
    },
    customers_pb2.DESCRIPTOR.services_by_name["CustomerService"]: {
        "PutCustomer": CUSTOMER_BYTES,
        "GetCustomer": SMALL_BYTES,
        "LookupCustomer": SMALL_BYTES,
        "ListCustomers": SMALL_BYTES,
        "LinkCustomers": SMALL_BYTES,
        "ForgetCustomer": SMALL_BYTES,
    },
    feedback_pb2.DESCRIPTOR.services_by_name["FeedbackService"]: {
        "GetImpactReport": SMALL_BYTES,
        "RecordOutcome": SMALL_BYTES,
        "RecordOutcomes": OUTCOMES_BYTES,
        "GetOutcomes": SMALL_BYTES,
        "ListPraise": SMALL_BYTES,
        "WatchPraise": SMALL_BYTES,
        "GetCoverage": SMALL_BYTES,
    },
    keys_pb2.DESCRIPTOR.services_by_name["KeyService"]: {
        "CreateKey": AGENT_BYTES,
        "ListKeys": SMALL_BYTES,
        "RotateKey": SMALL_BYTES,
        "RevokeKey": SMALL_BYTES,
    },
}


LIMITS: Final = {
    f"/{service.full_name}/{method}": limit
    for service, limits in _BY_SERVICE.items()
    for method, limit in limits.items()
}
"""The most bytes of one message, by method; a stream has the limit for each of its messages."""


def limit_of(method: str) -> int:
    """Return the most bytes of one message of a method; the health check and reflection take small ones."""
    return LIMITS.get(method, SMALL_BYTES)
