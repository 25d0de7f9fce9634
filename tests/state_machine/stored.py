"""Every key of a site, read from the store and not through the service, for the laws that hold between the keys."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from matcher.model import Agent, Contact, Hold, Reservation
from matcher.model.lifecycle import ReservationState
from matcher.store.codecs import (
    Fields,
    decode_agent,
    decode_contact,
    decode_holds,
    decode_reservation,
    fields_of,
    pairs_of,
)
from matcher.store.keys import PERMANENT, Keys
from matcher.store.redis.client import StoreClient
from tests.state_machine.plain_records import LIVE


@dataclass(frozen=True)
class Stored:
    """The keys of a site at one moment."""

    now_ms: int
    hashes: dict[str, dict[str, Fields]]
    """agent, contact and resv → id → fields."""
    leases: dict[str, dict[str, Hold]]
    """agent → reservation → hold, of the holds that have not lapsed."""
    lapsed: set[str]
    """Agents with a hold that has lapsed and is not swept."""
    due: dict[str, int]
    queue: dict[str, int]
    """Contacts in the queue → score."""
    endless: list[str]
    """Keys without a lifetime that are not listed as permanent."""
    ends: tuple[int, int]
    """The numbers of the last events of the roster's and the load's stream."""

    @classmethod
    async def read(cls, connection: StoreClient, site: str) -> Stored:
        """Read every key of the site, in two round trips."""
        keys = Keys(site)
        cursor, found = await connection.run("SCAN", 0, "MATCH", keys.pattern, "COUNT", 1_000_000)
        assert not int(cursor)
        names = sorted(name.decode() for name in found)
        hashes = [
            (kind, name, name.removeprefix(keys._of(f"{kind}:")))
            for kind in ("agent", "contact", "resv")
            for name in names
            if name.startswith(keys._of(f"{kind}:"))
        ]
        leases = [name for name in names if name.startswith(keys.holds(""))]
        commands: list[tuple[Any, ...]] = [("HGETALL", name) for _, name, _ in hashes]
        commands += [("ZRANGE", name, 0, -1, "WITHSCORES") for name in (keys.due, keys.queue, *leases)]
        commands += [("XREVRANGE", stream, "+", "-", "COUNT", 1) for stream in (keys.roster, keys.load)]
        commands += [("PTTL", name) for name in names]
        answers = iter(await connection.pipeline([("TIME",), *commands]))
        seconds, micros = next(answers)
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        by_kind: dict[str, dict[str, Fields]] = {"agent": {}, "contact": {}, "resv": {}}
        for kind, _, entity in hashes:
            by_kind[kind][entity] = fields_of(next(answers))
        due = {member.decode().removeprefix("reservation|"): int(at) for member, at in pairs_of(next(answers))}
        queue = {member.decode(): int(score) for member, score in pairs_of(next(answers))}
        members = {name.removeprefix(keys.holds("")): pairs_of(next(answers)) for name in leases}
        held = {agent: decode_holds(found, now_ms) for agent, found in members.items()}
        ends = [int(last[0][0].partition(b"-")[2]) if last else 0 for last in (next(answers), next(answers))]
        return cls(
            now_ms=now_ms,
            hashes=by_kind,
            leases={agent: {hold.reservation: hold for hold in holds} for agent, holds in held.items() if holds},
            lapsed={agent for agent, found in members.items() if len(found) > len(held[agent])},
            due=due,
            queue=queue,
            endless=[
                name
                for name, lifetime in zip(names, answers, strict=True)
                if lifetime == -1 and not any(re.fullmatch(pattern, name) for pattern in PERMANENT)
            ],
            ends=(ends[0], ends[1]),
        )

    def live(self) -> dict[str, dict[str, Hold]]:
        """Return the holds of the live reservations by agent, as the reservations' records say."""
        live: dict[str, dict[str, Hold]] = {}
        for name, fields in self.hashes["resv"].items():
            deadline = int(fields["deadline"])
            if ReservationState(fields["state"].decode()) in LIVE and deadline > self.now_ms:
                counts = int(fields.get("counts", fields["cost"]))
                hold = Hold(name, fields["channel"].decode(), counts, deadline)
                live.setdefault(fields["agent"].decode(), {})[name] = hold
        return live

    async def held_since(self, connection: StoreClient, site: str) -> dict[str, list[Hold]]:
        """Read the reservations made after this moment, in their order; each with its agent's holds as it was made.

        No other hold may lapse or be removed by hand meanwhile.
        """
        events = await connection.run("XRANGE", Keys(site).load, f"(0-{self.ends[1]}", "+")
        holds = {agent: dict(held) for agent, held in self.leases.items()}
        made: dict[str, list[Hold]] = {}
        for _, said in events:
            match fields_of(said)["e"].decode().split("|"):
                case ["hold", agent, name, channel, cost, deadline, *_]:
                    holds.setdefault(agent, {})[name] = Hold(name, channel, int(cost), int(deadline))
                    if name not in self.hashes["resv"]:
                        made.setdefault(name, list(holds[agent].values()))
                case ["free", agent, name, *_]:
                    holds.get(agent, {}).pop(name, None)
        return made

    def earmarked(self) -> dict[str, float]:
        """Return the agents who are earmarked for the queue, and until when; for ever: a lapsed hold is not swept."""
        until: dict[str, float] = dict.fromkeys(self.lapsed, math.inf)
        for agent, fields in self.hashes["agent"].items():
            if self.queue and int(fields.get("earmark", 0)) > self.now_ms:
                until.setdefault(agent, int(fields["earmark"]))
        return until

    def agents(self) -> dict[str, Agent]:
        """Return the agents with their holds, the earliest deadline first."""
        return {
            name: decode_agent(
                name,
                fields,
                tuple(
                    sorted(self.leases.get(name, {}).values(), key=lambda hold: (hold.deadline_ms, hold.reservation))
                ),
            )
            for name, fields in self.hashes["agent"].items()
        }

    def reservation(self, name: str) -> Reservation:
        """Return a reservation as the service reads it."""
        return decode_reservation(name, self.hashes["resv"][name], self.now_ms)

    def contact(self, name: str) -> Contact:
        """Return a contact as the service reads it."""
        return decode_contact(name, self.hashes["contact"][name], self.now_ms)
