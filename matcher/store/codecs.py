"""Codecs of the stored things: hashes, zsets and JSON to frozen data and back."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from matcher.model import (
    Agent,
    Basis,
    Capacity,
    Comparison,
    Constraint,
    Contact,
    ContactEvent,
    Decision,
    Draw,
    Hold,
    Pool,
    PoolPolicy,
    Profile,
    Ranking,
    Report,
    Reservation,
    unpacked_seen,
)
from matcher.model.lifecycle import AgentStatus, Cause, ContactState, ReservationState, read_state
from matcher.store.requirements import read_requirements

Fields = Mapping[str, bytes]

DIGEST_BYTES: Final = 8
HOLD_PARTS: Final = 3
"""A member of an agent's holds is 'reservation|channel|cost'."""


def fields_of(flat: Sequence[bytes] | Mapping[bytes, bytes]) -> dict[str, bytes]:
    """Return a hash's fields by name, from the answer to HGETALL as a mapping or as a flat list."""
    if isinstance(flat, Mapping):
        return {name.decode(): value for name, value in flat.items()}
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def pairs_of(flat: Sequence[Any]) -> list[tuple[bytes, float]]:
    """Return members with their scores, from the answer to ZRANGE WITHSCORES as pairs or as a flat list."""
    if flat and isinstance(flat[0], list | tuple):
        return [(member, float(score)) for member, score in flat]
    return [(member, float(score)) for member, score in zip(flat[::2], flat[1::2], strict=True)]


def number(fields: Fields, name: str) -> int:
    """Return a field as a whole number; 0 where it is missing."""
    return int(fields.get(name) or 0)


def text(fields: Fields, name: str) -> str:
    """Return a field as text; empty where it is missing."""
    return fields.get(name, b"").decode()


def encode_profile(profile: Profile) -> bytes:
    """Return a profile as JSON, the same bytes for the same profile."""
    return msgspec.json.encode(profile, order="deterministic")


def encode_channels(capacity: Capacity) -> str:
    """Return the channels as the verbs read them: ';chat=30/3;voice=100/1;'."""
    return ";" + "".join(f"{name}={terms.cost}/{terms.max};" for name, terms in capacity.channels.items())


def decode_agent(agent: str, fields: Fields, holds: tuple[Hold, ...] = ()) -> Agent:
    """Return an agent from the fields of its hash."""
    return Agent(
        id=agent,
        profile=msgspec.json.decode(fields["profile"], type=Profile),
        status=AgentStatus(text(fields, "status")),
        version=number(fields, "version"),
        profile_version=number(fields, "profile_version"),
        created_ms=number(fields, "created"),
        updated_ms=number(fields, "updated"),
        idle_since_ms=number(fields, "idle"),
        holds=holds,
        status_reason=text(fields, "reason") or text(fields, "why"),
        beat_until_ms=number(fields, "beat"),
        uid=text(fields, "uid"),
    )


def decode_holds(members: Sequence[tuple[bytes, float]], now_ms: int) -> tuple[Hold, ...]:
    """Return an agent's live holds, from the members of the zset of their holds with their deadlines.

    A member that cannot be read holds nothing, in the store neither; the audit removes it.
    """
    holds = []
    for member, deadline in members:
        parts = member.decode(errors="replace").split("|")
        if deadline <= now_ms or len(parts) != HOLD_PARTS or not parts[2].isdigit():
            continue
        reservation, channel, cost = parts
        holds.append(Hold(reservation, channel, int(cost), int(deadline)))
    return tuple(holds)


def encode_vectors(texts: Sequence[str], vectors: NDArray[np.float32]) -> bytes:
    """Return the digest of what was compared of the interests, and the vectors [n, dimension] as fp16, row by row."""
    return _digest_of(texts) + vectors.astype(np.float16).tobytes()


def decode_vectors(texts: Sequence[str], stored: bytes | None, dimension: int) -> NDArray[np.float32] | None:
    """Return the stored vectors [n, dimension]; None where they are missing or belong to other texts."""
    size = DIGEST_BYTES + len(texts) * dimension * np.dtype(np.float16).itemsize
    if stored is None or len(stored) != size or not stored.startswith(_digest_of(texts)):
        return None
    rows = np.frombuffer(stored, np.float16, offset=DIGEST_BYTES)
    return rows.reshape(len(texts), dimension).astype(np.float32)


def stored_precision(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors as they are read back from the store (fp16), so that every replica compares the same vectors."""
    return vectors.astype(np.float16).astype(np.float32)


def _digest_of(texts: Sequence[str]) -> bytes:
    return hashlib.sha256("\n".join(texts).encode()).digest()[:DIGEST_BYTES]


def encode_policy(policy: PoolPolicy) -> bytes:
    """Return a pool's policy as JSON."""
    return msgspec.json.encode(policy)


def decode_pool(pool: str, fields: Fields) -> Pool:
    """Return a pool from the fields of its hash."""
    return Pool(
        id=pool,
        policy=msgspec.json.decode(fields["policy"], type=PoolPolicy),
        version=number(fields, "version"),
        created_ms=number(fields, "created"),
        updated_ms=number(fields, "updated"),
        uid=text(fields, "uid"),
    )


def decode_reservation(reservation: str, fields: Fields, now_ms: int) -> Reservation:
    """Return a reservation in its state at `now_ms`: past its deadline it has lapsed, even if the sweep has not run."""
    state, deadline = ReservationState(text(fields, "state")), number(fields, "deadline")
    # A wrap-up that an earlier version began says nothing of its end: it follows a complete.
    ends_as = ReservationState(text(fields, "ends") or ReservationState.COMPLETED)
    current = read_state(state, deadline, now_ms, ends_as)
    good, _, reported_ms = text(fields, "report").partition("|")
    return Reservation(
        id=reservation,
        agent=text(fields, "agent"),
        contact=text(fields, "contact"),
        decision=text(fields, "decision"),
        pool=text(fields, "pool"),
        channel=text(fields, "channel"),
        cost=number(fields, "cost"),
        state=current,
        fence=number(fields, "fence"),
        basis=Basis(text(fields, "basis")),
        created_ms=number(fields, "created"),
        deadline_ms=deadline,
        accepted_ms=number(fields, "accepted"),
        ended_ms=number(fields, "ended") if current is state else deadline,
        decline_reason=text(fields, "reason"),
        idle_since_ms=number(fields, "idle"),
        agent_uid=text(fields, "agent_uid"),
        takes_over=text(fields, "takes_over").partition("|")[0],
        report=Report(good == "1", int(reported_ms)) if reported_ms else None,
        actor=text(fields, "actor"),
        over_capacity="over" in fields,
        first_response_due=current is ReservationState.ACCEPTED and "first" in fields,
        ends_as=ends_as if current is ReservationState.WRAPPING else None,
    )


def decode_contact(contact: str, fields: Fields, now_ms: int) -> Contact:
    """Return a contact in its state at `now_ms`: past its deadline it has lapsed, even if the sweep has not run."""
    state = ContactState(text(fields, "state"))
    cause = Cause(text(fields, "cause")) if "cause" in fields else None
    excluded = {
        name[2:] for name, until in fields.items() if name.startswith("x:") and (until == b"0" or int(until) > now_ms)
    }
    uids = excluded_uids(fields)
    may_wait = "wait" in fields or (state is ContactState.ASSIGNED and "wait_ms" in fields)
    nobodys = ContactState.QUEUED if may_wait else ContactState.RETURNED
    if state is ContactState.QUEUED:
        # Schema 2 tells the two by `wait` alone.
        state = nobodys
    if number(fields, "until") <= now_ms:
        if state is ContactState.RESERVED or (state is ContactState.ASSIGNED and "first" in fields):
            cause = Cause.OFFER_EXPIRED if state is ContactState.RESERVED else Cause.NO_FIRST_RESPONSE
            state = nobodys
            excluded.add(text(fields, "agent"))
            uids[text(fields, "agent")] = text(fields, "agent_uid")
        elif state is ContactState.ASSIGNED:
            state = ContactState.EXPIRED
            cause = Cause.CONVERSATION_EXPIRED
    needs, queued_in = read_requirements(fields.get("needs", b"")), text(fields, "queued_in")
    return Contact(
        id=contact,
        pool=text(fields, "pool"),
        channel=text(fields, "channel"),
        customer=text(fields, "customer"),
        state=state,
        reservation=text(fields, "reservation"),
        excluded=tuple(sorted(excluded)),
        created_ms=number(fields, "created"),
        sequence=number(fields, "sequence"),
        cause=cause,
        waits_until_ms=number(fields, "waits") if "wait" in fields else 0,
        queued_in=queued_in,
        pool_uid=text(fields, "pool_uid"),
        excluded_uids=uids,
        requirements=needs.requirements(
            queued_in or text(fields, "pool"), text(fields, "channel"), text(fields, "only")
        ),
        preferred=needs.preferred_agents(),
        draw=Draw.unpacked(text(fields, "arm")),
    )


def excluded_uids(fields: Fields) -> dict[str, str]:
    """Return the uids of the agents who are or were excluded from a contact, where they are known."""
    return {name[2:]: uid.decode() for name, uid in fields.items() if name.startswith("u:") and uid}


def decode_history(contact: str, fields: Fields) -> list[ContactEvent]:
    """Return the stored events of a contact, the earliest first, each with the pool that it was of."""
    began = [entry.split("=") for entry in text(fields, "pools").split(";") if entry]
    firsts, pools = [int(first) for first, _ in began], [text(fields, "pool"), *(pool for _, pool in began)]
    # A version before this one wrote no `pools`: its steps are told with the pool of now.
    events = [
        ContactEvent(
            contact,
            pools[bisect_right(firsts, int(sequence))],
            int(sequence),
            ContactState(state),
            Cause(cause),
            reservation,
            agent,
            int(at),
        )
        for sequence, state, cause, reservation, agent, at in (
            event.split("|") for event in text(fields, "history").split(";") if event
        )
    ]
    if events and events[-1].state is ContactState.QUEUED and "wait" not in fields:
        events[-1] = msgspec.structs.replace(events[-1], state=ContactState.RETURNED)  # as schema 2 wrote the last step
    return events


class Record(msgspec.Struct, frozen=True):
    """The part of a decision that is stored as JSON; the other fields are the fields of its hash."""

    ranking: Ranking
    model: str


def encode_record(record: Record) -> bytes:
    """Return the JSON part of a decision."""
    return msgspec.json.encode(record)


def decode_decision(decision: str, fields: Fields) -> Decision:
    """Return a decision from the fields of its hash."""
    record = msgspec.json.decode(fields["record"], type=Record)
    return Decision(
        id=decision,
        contact=text(fields, "contact"),
        pool=text(fields, "pool"),
        reservation=text(fields, "reservation"),
        agent=text(fields, "agent"),
        ranking=record.ranking,
        model=record.model,
        scorer=record.ranking.scorer,
        created_ms=number(fields, "created"),
        agent_uid=text(fields, "agent_uid"),
        pool_uid=text(fields, "pool_uid"),
        ignored=tuple(constraint for constraint in Constraint if constraint in text(fields, "ignored").split(",")),
        over_capacity="over" in fields,
        comparison=Comparison.unpacked(text(fields, "compared")),
        seen=unpacked_seen(text(fields, "seen")),
        reason=text(fields, "why"),
    )
