"""Laws of a site's records in the store, which hold at every moment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from matcher.model.lifecycle import CONTACT_NEXT, HOLDING, ContactState, ReservationState
from matcher.store.audit import AuditStore, Repair
from matcher.store.codecs import Fields, number, text
from tests.store.stage import EVENTS_KEPT, KEEP_MS, Stage

ENDED = frozenset(state.value for state, after in CONTACT_NEXT.items() if not after)


@dataclass(frozen=True, slots=True)
class Site:
    """All records of a site, and when each key ends (-1: never)."""

    now_ms: int
    values: dict[str, Any]
    ends: dict[str, int]

    @classmethod
    async def read(cls, stage: Stage) -> Site:
        """Read all records of a site."""
        # Before the records: a hold that lives now may lapse during the read, and its record is still there.
        now_ms = await stage.now_ms()
        prefix, values = stage.keys.pattern.removesuffix("*"), await stage.everything()
        ends = await stage.connection.pipeline([("PEXPIRETIME", key) for key in values])
        names = [key.decode().removeprefix(prefix) for key in values]
        return cls(now_ms, dict(zip(names, values.values(), strict=True)), dict(zip(names, ends, strict=True)))

    def hashes(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the hashes or sorted sets of a kind by id."""
        return {name.partition(":")[2]: fields for name, fields in self.values.items() if name.startswith(f"{kind}:")}


async def found_anywhere(stage: Stage, secret: bytes) -> list[str]:
    """Name the keys of a site that contain a text."""
    values = (await Site.read(stage)).values
    return [name for name, value in values.items() if secret in _flat(value)]


def _flat(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, list | tuple | set):
        return b"\0".join(_flat(part) for part in value)
    return str(value).encode()


async def broken_laws(stage: Stage) -> list[str]:
    """Name the broken laws; a record whose deadline has passed may be swept or not."""
    site = await Site.read(stage)
    return [*_queue(site), *_contacts(site), *_holds(site), *_timers(site), *_next_due(site)]


async def repairs(stage: Stage) -> list[Repair]:
    """Run the audit's verbs on every agent, reservation and contact of a site; return what they repaired."""
    site, store = await Site.read(stage), AuditStore(stage.connection, EVENTS_KEPT)
    done: list[Repair] = []
    for agent in {*site.hashes("agent"), *site.hashes("lease")}:
        done += await store.audit_agent(stage.site, agent, site.hashes("resv"))
    return done + await store.audit_queue(stage.site, list({*site.hashes("contact"), *site.values.get("queue", {})}))


def _queue(site: Site) -> list[str]:
    queue, waiting = site.values.get("queue", {}), site.values.get("waiting", {})
    contacts = {name: fields for name, fields in site.hashes("contact").items() if "queued_in" in fields}
    names = {name[1:]: pool.decode() for name, pool in waiting.items() if name.startswith("|")}
    counts = {pool: int(count) for pool, count in waiting.items() if not pool.startswith("|")}
    broken = []
    if counts != Counter(names.values()):
        broken.append(f"the counts {counts} are not those of who waits: {names}")
    if set(queue) != set(names):
        broken.append(f"the queue {sorted(queue)} is not who waits: {names}")
    if {name: text(fields, "queued_in") for name, fields in contacts.items()} != names:
        broken.append(f"the contacts {sorted(contacts)} are not who waits: {names}")
    for name, fields in contacts.items():
        moved = fields["state"] == b"ASSIGNED" and "moving" in fields
        if fields["state"] != b"QUEUED" and not moved:
            broken.append(f"{name} waits as {fields['state']!r}")
        if "wait" not in fields:
            broken.append(f"{name} waits, and may not")
        if "sealed" not in fields and "|ASSIGNED|" not in text(fields, "history"):
            broken.append(f"{name} waits, no agent has accepted it, and what was written is gone")
        if number(fields, "score") != queue.get(name):
            broken.append(f"{name} has another score than in the queue")
    return broken


def _contacts(site: Site) -> list[str]:
    listed, broken = site.values.get("contacts", {}), []
    for name, fields in site.hashes("contact").items():
        state = text(fields, "state")
        if (state in ENDED) == (name in listed):
            broken.append(f"{name} is {state}, and {'' if name in listed else 'not '}listed")
        if "sealed" in fields and "wait" not in fields and not (state == "ASSIGNED" and "first" in fields):
            broken.append(
                f"{name}: what was written is kept, and it neither waits nor has an offer nor lacks its first answer"
            )
        if "wait" in fields:
            if state in ENDED or (state == "ASSIGNED" and not {"moving", "offered"} & set(fields)):
                broken.append(f"{name} is {state}, and what was written is kept")
            if site.ends[f"contact:{name}"] < number(fields, "waits") + KEEP_MS:
                broken.append(f"{name} may wait until {fields['waits']!r} and is forgotten too soon after")
        broken += _steps(name, fields)
    return broken


def _steps(name: str, fields: Fields) -> list[str]:
    lines, broken = [line.split("|") for line in text(fields, "history").split(";") if line], []
    last = number(fields, "sequence")
    if [int(line[0]) for line in lines] != list(range(last - len(lines) + 1, last + 1)):
        broken.append(f"{name}: the steps are not numbered on")
    if lines[-1][1:3] != [text(fields, "state"), text(fields, "cause")]:
        broken.append(f"{name} stands otherwise than its last step says: {lines[-1]}")
    for before, after in pairwise(lines):
        was, now = ContactState(before[1]), ContactState(after[1])
        if was is not now and now not in CONTACT_NEXT[was]:
            broken.append(f"{name} went from {was} to {now}")
    return broken


def _holds(site: Site) -> list[str]:
    due, broken = site.values.get("due", {}), []
    wanted: set[tuple[str, str, int]] = set()
    for name, fields in site.hashes("resv").items():
        if ReservationState(text(fields, "state")) not in HOLDING:
            continue
        deadline, counts = number(fields, "deadline"), text(fields, "counts") or text(fields, "cost")
        wanted.add((text(fields, "agent"), f"{name}|{text(fields, 'channel')}|{counts}", deadline))
        if due.get(f"reservation|{name}") != deadline:
            broken.append(f"{name} is due at {due.get(f'reservation|{name}')} and ends at {deadline}")
        if site.ends[f"resv:{name}"] < deadline:
            broken.append(f"{name} is forgotten before it ends")
    if len(due) != len(wanted):
        broken.append(f"due is {due}")
    held = {(agent, hold, at) for agent, holds in site.hashes("lease").items() for hold, at in holds.items()}
    broken += [f"{one} is held by nobody's reservation" for one in held - wanted]
    # A lapsed hold of an agent who was removed since is no member of holds, and its lapse is not written yet.
    broken += [f"{one} is not held" for one in wanted - held if one[2] > site.now_ms]
    return broken


def _timers(site: Site) -> list[str]:
    timers = site.values.get("timers", {})
    contacts, reservations, agents = site.hashes("contact"), site.hashes("resv"), site.hashes("agent")
    broken = [
        f"nothing ends the wait of {name}"
        for name in site.values.get("queue", {})
        if timers.get(f"contact|{name}") != number(contacts.get(name, {}), "waits")
    ]
    for member, at in timers.items():
        kind, _, name = member.partition("|")
        if kind == "beat" and number(agents.get(name, {}), "beat") != at:
            broken.append(f"the heartbeat of {name} is looked for at {at}")
        if kind == "idle" and text(reservations.get(name, {}), "state") != "ACCEPTED":
            broken.append(f"{name} may rest, and is none that lasts")
    return broken


def _next_due(site: Site) -> list[str]:
    deadlines = [*site.values.get("due", {}).values(), *site.values.get("timers", {}).values()]
    # A contact that waits may be offered at any moment.
    deadlines += [site.now_ms] * bool(site.values.get("queue"))
    noted = site.values.get("life", {}).get("due")
    if deadlines and (noted is None or int(noted) > min(deadlines)):
        return [f"nobody would wake the site at {min(deadlines)}: its life says {noted!r}"]
    return []
