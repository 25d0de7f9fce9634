"""The timeline that the steps tell, by the store's clock: who waited, who held; and when all servers were able."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.chaos import history as h
from benchmarks.chaos.facts import CLOCK_STEP, Contact, Facts, Key, may_be_done

PROBE_GAP = 1.0
"""A probe speaks for this long before it began and after it ended (s)."""
CALM_SECONDS = 0.5
"""A server whose probe took longer is too busy to be judged by duties of one and two seconds."""
HELD = frozenset({"CONTACT_RESERVED", "CONTACT_ASSIGNED"})


@dataclass(frozen=True, slots=True)
class Span:
    """A time from `since` to `until`."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Wait:
    """A stay of a contact in the queue; excluded: agents who may not get it any more."""

    site: str
    contact: str
    pool: str
    cost: int
    came: float
    span: Span
    excluded: frozenset[str]
    relaxed: float
    """When its last requirement had lapsed."""


@dataclass(frozen=True, slots=True)
class Stay:
    """A hold as the steps tell it; first: the step that made it; last: the step that ended it, None: none was heard."""

    site: str
    agent: str
    contact: str
    reservation: str
    cost: int
    over: bool
    span: Span
    first: h.Step
    last: h.Step | None


@dataclass
class Timeline:
    """What the steps tell."""

    waits: list[Wait] = field(default_factory=list)
    stays: dict[Key, list[Stay]] = field(default_factory=lambda: defaultdict(list))
    came: dict[Key, float] = field(default_factory=dict)
    unsure: dict[Key, list[Span]] = field(default_factory=lambda: defaultdict(list))
    """Times in which an agent may have held a contact of which the store lost steps, whatever its other steps say."""


def draw(facts: Facts) -> Timeline:
    """Return the timeline of a history."""
    timeline = Timeline()
    over = {key: hold.over for key, hold in facts.holds.items()}
    for (site, identifier), contact in facts.contacts.items():
        steps = sorted(
            {step.sequence: step for told in contact.steps.values() for step in told}.values(),
            key=lambda step: step.sequence,
        )
        taken_back = _taken_back(contact)
        if steps and (contact.told_lost or taken_back):
            for agent in {step.agent for told in contact.steps.values() for step in told if step.agent}:
                timeline.unsure[site, agent].append(Span(steps[0].at, steps[-1].at))
        if not steps or steps[0].sequence != 1 or taken_back:
            continue
        asked = [call for call in contact.routes if call.channel]
        staff = next((staff for key, staff in facts.staff.items() if key[0] == site), None)
        channels = staff.channels if staff is not None else {}
        cost = channels.get(asked[0].channel, 1) if asked else max(channels.values(), default=1)
        if contact.holds:
            cost = contact.holds[0].held.cost
        relaxes = max((call.relaxes for call in contact.routes), default=0.0)
        came = steps[0].at
        timeline.came[site, identifier] = came
        excluded: set[str] = set()
        for step, following in pairwise([*steps, None]):
            assert step is not None
            if step.cause in {"CAUSE_DECLINED", "CAUSE_OFFER_EXPIRED", "CAUSE_TRANSFER_ASKED"}:
                excluded.add(step.agent)
            if step.state == "CONTACT_QUEUED" and following is not None:
                timeline.waits.append(
                    Wait(
                        site, identifier, step.pool, cost, came, Span(step.at, following.at), frozenset(excluded),
                        came + relaxes,
                    )
                )  # fmt: skip
        for stay in _stays(facts, site, identifier, cost, steps, over):
            timeline.stays[site, stay.agent].append(stay)
    return timeline


def _taken_back(contact: Contact) -> bool:
    """Return whether a store forgot steps of the contact and the contact went on from there by other steps.

    Then steps of two lives stand under one number, or no watch heard the step that says so, and no sequence of them is
    what happened.
    """
    times: dict[int, float] = {}
    told = [step for steps in contact.steps.values() for step in steps]
    twice = any(times.setdefault(step.sequence, step.at) != step.at for step in told)
    return twice or len(times) < max(times, default=0) - min(times, default=1) + 1


def _stays(
    facts: Facts, site: str, contact: str, cost: int, steps: Sequence[h.Step], over: dict[Key, bool]
) -> Iterable[Stay]:
    current: h.Step | None = None
    due = math.inf
    for step in [*steps, None]:
        keeps = step is not None and (
            step.cause == "CAUSE_TRANSFER_ASKED"
            or (step.state in HELD and current is not None and step.reservation in {current.reservation, ""})
        )
        if current is not None and not keeps:
            # An offer holds nothing after its time, also where no server was there to say so.
            until = min(step.at if step is not None else math.inf, due)
            held_over = over.get((site, current.reservation), False)
            yield Stay(
                site,
                current.agent,
                contact,
                current.reservation,
                cost,
                held_over,
                Span(current.at, until),
                current,
                step,
            )
            current = None
        if step is None:
            return
        if current is None and step.state in HELD and step.reservation:
            current = step
            terms = facts.terms.get((site, step.pool))
            due = step.at + terms.offer if terms is not None and step.state == "CONTACT_RESERVED" else math.inf
        elif step.state == "CONTACT_ASSIGNED":
            due = math.inf


def unable(facts: Facts, slowest: float = CALM_SECONDS) -> list[Span]:
    """Return the times in which some server was not able or too busy: a probe failed, was slow, or was not sent.

    slowest: a probe that took longer (s) was slow.
    """
    by_replica: dict[int, list[h.Probe]] = defaultdict(list)
    for probe in facts.probes:
        by_replica[probe.replica].append(probe)
    spans = [] if by_replica else [Span(0.0, math.inf)]
    for probes in by_replica.values():
        probes.sort(key=lambda probe: probe.began)
        spans += [
            Span(probe.began - PROBE_GAP, probe.ended + PROBE_GAP)
            for probe in probes
            if not (probe.able and probe.ended - probe.began <= slowest)
        ]
        for earlier, later in pairwise(probes):
            if later.began - earlier.ended > PROBE_GAP:
                spans.append(Span(earlier.ended, later.began))
        spans += [Span(0.0, probes[0].began), Span(probes[-1].ended, math.inf)]
    spans += clock_off(facts)
    spans += [Span(fault.began - PROBE_GAP, fault.ended + PROBE_GAP) for fault in facts.faults if fault.forgets]
    return sorted(spans, key=lambda span: span.since)


def clock_off(facts: Facts) -> list[Span]:
    """Return the times, by the stepped clock or the right one, whose steps may be told as seconds too early or late."""
    return [
        Span(fault.began - PROBE_GAP - CLOCK_STEP, fault.ended + PROBE_GAP + CLOCK_STEP)
        for fault in facts.faults
        if fault.clock
    ]


def meets(spans: Sequence[Span], since: float, until: float) -> bool:
    """Return whether a time meets one of the spans."""
    return any(span.since < until and since < span.until for span in spans)


def away(facts: Facts, key: Key) -> list[Span]:
    """Return the times in which an agent was perhaps not ONLINE."""
    spans, since = list[Span](), None
    for call in sorted(facts.status.get(key, ()), key=lambda call: call.began):
        if call.status != "ONLINE" and may_be_done(call):
            since = call.began if since is None else since
        elif since is not None and call.status == "ONLINE" and call.ending == h.OK:
            spans.append(Span(since, call.ended))
            since = None
    return spans if since is None else [*spans, Span(since, math.inf)]


def room(facts: Facts, timeline: Timeline, key: Key) -> list[tuple[Span, int]]:
    """Return the times of an agent with the free capacity in them, which is certain while the agent was ONLINE."""
    staff = facts.staff[key]
    moments = sorted(
        [(stay.span.since, stay.cost) for stay in timeline.stays.get(key, ())]
        + [(stay.span.until, -stay.cost) for stay in timeline.stays.get(key, ()) if stay.span.until < math.inf]
    )
    free, since, spans = staff.total, 0.0, list[tuple[Span, int]]()
    for at, cost in moments:
        if at > since:
            spans.append((Span(since, at), free))
            since = at
        free -= cost
    spans.append((Span(since, math.inf), free))
    return spans
