"""The table of the store's verbs: what each takes and answers. lua/<verb>.lua says what it does.

A key is named by what it holds, as `Keys` names it; an argument that is an id ends in `_id`, a duration in `_ms`. In
Lua they are `key.<name>` and `arg.<name>`, those of the items of a list `key.<list>[i].<name>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from matcher.store.redis.verb_call import VerbCall, layout_of
from matcher.store.verbs.audit import AuditAgent, AuditedContact, AuditedReservation, AuditQueue
from matcher.store.verbs.contacts import ContactStep, FreedAgent, GiveBack, Lead, Leave, Quarantine
from matcher.store.verbs.customers import (
    Handle,
    Link,
    OtherCustomer,
    PutProfile,
    PutProfileVectors,
    RecallHandle,
    Rehash,
    Remember,
)
from matcher.store.verbs.keys import UseKeys
from matcher.store.verbs.processes import RaiseSchema, Register
from matcher.store.verbs.reservations import (
    Accept,
    ByHand,
    Cancel,
    Candidate,
    Complete,
    Decline,
    EndWrapUp,
    Expire,
    HandedOn,
    Renew,
    Reserve,
    ReserveInOrder,
    Rest,
    Touch,
    Transition,
    Withdraw,
)
from matcher.store.verbs.roster import (
    AgentVectors,
    Beat,
    DeleteAgent,
    DeletePool,
    MissBeat,
    ModelVectors,
    PoolJoined,
    PoolLeft,
    PutAgent,
    PutPool,
    PutStatus,
    PutVectors,
)
from matcher.store.verbs.sites import AdoptSite, DeleteSite, DoomedKey, Erase, FoundSite, NextDue

__all__ = [
    "VERBS",
    "Accept",
    "AdoptSite",
    "AgentVectors",
    "AuditAgent",
    "AuditQueue",
    "AuditedContact",
    "AuditedReservation",
    "Beat",
    "ByHand",
    "Cancel",
    "Candidate",
    "Complete",
    "ContactStep",
    "Decline",
    "DeleteAgent",
    "DeletePool",
    "DeleteSite",
    "DoomedKey",
    "EndWrapUp",
    "Erase",
    "Expire",
    "FoundSite",
    "FreedAgent",
    "GiveBack",
    "HandedOn",
    "Handle",
    "Lead",
    "Leave",
    "Link",
    "MissBeat",
    "ModelVectors",
    "NextDue",
    "OtherCustomer",
    "PoolJoined",
    "PoolLeft",
    "PutAgent",
    "PutPool",
    "PutProfile",
    "PutProfileVectors",
    "PutStatus",
    "PutVectors",
    "Quarantine",
    "RaiseSchema",
    "RecallHandle",
    "Register",
    "Rehash",
    "Remember",
    "Renew",
    "Reserve",
    "ReserveInOrder",
    "Rest",
    "Touch",
    "Transition",
    "UseKeys",
    "Withdraw",
]

VERBS: Final[Mapping[str, type[VerbCall]]] = {
    layout_of(call).name: call
    for call in (
        Reserve,
        ReserveInOrder,
        Accept,
        Decline,
        Renew,
        Complete,
        EndWrapUp,
        Cancel,
        Withdraw,
        Touch,
        Rest,
        Expire,
        Leave,
        Quarantine,
        Beat,
        MissBeat,
        Lead,
        GiveBack,
        Link,
        Remember,
        PutProfile,
        PutProfileVectors,
        RecallHandle,
        Rehash,
        UseKeys,
        PutAgent,
        PutStatus,
        PutVectors,
        DeleteAgent,
        PutPool,
        DeletePool,
        FoundSite,
        AdoptSite,
        DeleteSite,
        Erase,
        NextDue,
        AuditAgent,
        AuditQueue,
        Register,
        RaiseSchema,
    )
}
"""Every verb by its name, in the order of the library: a verb that another one calls stands before it."""
