"""The laws of time: what waits is offered in time and in order, what lapses does so in time, health tells the truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from benchmarks.chaos import history as h
from benchmarks.chaos.facts import Facts
from benchmarks.chaos.timeline import Span, Timeline, Wait, away, clock_off, draw, meets, room, unable
from benchmarks.chaos.verdict import Breach, Law

LAPSE_SECONDS: Final = 1.0
OFFER_SECONDS: Final = 2.0
HEARTBEAT_SECONDS: Final = 2.0
HEALTH_SECONDS: Final = 5.0
BEFORE: Final = 2.0
"""A duty is judged only where every server was able from this long before it was due."""
WAITS_FROM: Final = 0.5
"""A contact counts as waiting for the law of the order after this time, as in the simulated day."""
SAME_MOMENT: Final = 0.05
"""Times of the store and of the clients are compared with this tolerance (s)."""
STORE_AWAY: Final = frozenset({"STORE_UNAVAILABLE"})


def judge_times(facts: Facts) -> Iterator[Breach]:
    """Judge a history by the laws of time. Those by the store's clock are left out while it was stepped."""
    timeline, spans = draw(facts), unable(facts)
    for law in TIMED:
        yield from law(facts, timeline, spans)
    yield from _health(facts)
    yield from _beats(facts, spans)


def _by_steps(facts: Facts, timeline: Timeline, spans: Sequence[Span]) -> Iterator[Breach]:
    """Find agents of whom the steps tell more holds than fit."""
    del spans
    if not facts.clock_steady or any(fault.forgets for fault in facts.faults):
        return
    for key, all_stays in timeline.stays.items():
        staff = facts.staff.get(key)
        # Of the contacts of customers who were forgotten the cost may be unknown.
        stays = [stay for stay in all_stays if (stay.site, stay.contact) not in facts.forgotten]
        moments = sorted(
            [(stay.span.until, 0, stay) for stay in stays] + [(stay.span.since, 1, stay) for stay in stays],
            key=lambda moment: moment[:2],
        )
        load, overs = 0, 0
        for at, begins, stay in moments:
            sign = 1 if begins else -1
            load, overs = load + sign * stay.cost, overs + sign * stay.over
            if staff is not None and begins and load > staff.total and not overs:
                yield Breach(Law.CAPACITY, f"by the steps {key[1]} holds {load} of {staff.total} at {at:.3f}")


def _lapses(facts: Facts, timeline: Timeline, spans: Sequence[Span]) -> Iterator[Breach]:
    """Find offers that nobody answered and that lapsed more than a second late."""
    for stays in timeline.stays.values():
        for stay in stays:
            terms = facts.terms.get((stay.site, stay.first.pool))
            if stay.first.state != "CONTACT_RESERVED" or terms is None or stay.last is None:
                continue
            due = stay.span.since + terms.offer
            answered = [
                step.at
                for told in facts.contacts[stay.site, stay.contact].steps.values()
                for step in told
                if step.reservation == stay.reservation and step.cause == "CAUSE_ACCEPTED"
            ]
            at = min([stay.last.at, *answered])
            if at > due + LAPSE_SECONDS and not meets(spans, due - BEFORE, due + LAPSE_SECONDS):
                yield Breach(Law.LATE, f"the offer {stay.reservation} lapsed {at - due:.2f} s late at {at:.3f}")


def _waits_end(facts: Facts, timeline: Timeline, spans: Sequence[Span]) -> Iterator[Breach]:
    """Find waits that ended more than a second late."""
    for wait in timeline.waits:
        calls = facts.contacts[wait.site, wait.contact]
        asked = [call.wait for call in (*calls.routes, *calls.calls) if call.wait]
        if not asked or len(set(asked)) > 1:
            continue
        due = max(wait.came + asked[0], wait.span.since)
        if any(call.verb in {"transfer", "assign"} for call in (*calls.calls, *calls.routes)):
            continue
        if wait.span.until > due + LAPSE_SECONDS and not meets(spans, due - BEFORE, due + LAPSE_SECONDS):
            yield Breach(Law.LATE, f"the wait of {wait.contact} ended {wait.span.until - due:.2f} s late")


def _offered_on(facts: Facts, timeline: Timeline, spans: Sequence[Span]) -> Iterator[Breach]:
    """Find contacts that waited for more than two seconds beside an agent who was free for them."""
    for key, staff in facts.staff.items():
        if staff.beats:
            continue
        gone, free = [*away(facts, key), *timeline.unsure.get(key, ())], room(facts, timeline, key)
        for wait in timeline.waits:
            if wait.site != key[0] or key[1] in wait.excluded:
                continue
            for span, left in free:
                since = max(span.since, wait.span.since, wait.relaxed)
                until = min(span.until, wait.span.until)
                if left < wait.cost or until - since <= OFFER_SECONDS:
                    continue
                if not meets(gone, since, until) and not meets(spans, since - BEFORE, since + OFFER_SECONDS):
                    yield Breach(
                        Law.LATE, f"{wait.contact} waited {until - since:.2f} s beside {key[1]} from {since:.3f}"
                    )


def _overtaken(facts: Facts, timeline: Timeline, spans: Sequence[Span]) -> Iterator[Breach]:
    """Find contacts that got an agent whom one that waits could have had, and came later than the law allows."""
    off = clock_off(facts)
    waits: dict[str, list[Wait]] = defaultdict(list)
    for wait in timeline.waits:
        if not meets(off, wait.came, wait.came):
            waits[wait.site].append(wait)
    for (site, agent), stays in timeline.stays.items():
        for stay in stays:
            terms = facts.terms.get((site, stay.first.pool))
            if terms is None or stay.first.cause not in {"CAUSE_OFFERED", "CAUSE_TRANSFERRED"}:
                continue
            at, came = stay.span.since, timeline.came[site, stay.contact]
            if meets(off, came, came):
                continue
            law = 1 / terms.wait_weight + WAITS_FROM
            for wait in waits[site]:
                waited = max(wait.span.since, wait.relaxed) + WAITS_FROM < at < wait.span.until
                if not waited or agent in wait.excluded or wait.cost > stay.cost or wait.pool != stay.first.pool:
                    continue
                later = came - wait.came
                if later > law and not meets(spans, at - BEFORE, at):
                    yield Breach(
                        Law.OVERTAKEN, f"{stay.contact}, {later:.2f} s later, got {agent} before {wait.contact}"
                    )


def _to_who_is_away(facts: Facts, timeline: Timeline, spans: Sequence[Span]) -> Iterator[Breach]:
    """Find offers to agents who had said that they take no contact, and had not come back."""
    for key, stays in timeline.stays.items():
        calls = sorted(facts.status.get(key, ()), key=lambda call: call.began)
        for stay in stays:
            at = stay.span.since
            before = [call for call in calls if call.began < at + SAME_MOMENT]
            if stay.first.cause not in {"CAUSE_OFFERED", "CAUSE_TRANSFERRED"} or meets(spans, at, at):
                continue
            gone = before and before[-1].status != "ONLINE" and before[-1].ending == h.OK and before[-1].ended < at
            if gone and not any(call.status == "ONLINE" and call.ended > before[-1].began for call in before):
                yield Breach(
                    Law.AWAY, f"{stay.contact} was offered to {key[1]} at {at:.3f}, who is {before[-1].status}"
                )


def _kept(facts: Facts, timeline: Timeline, spans: Sequence[Span]) -> Iterator[Breach]:
    """Find reservations that are listed as live more than a second after their contact has gone on or ended."""
    over = {
        (stay.site, stay.reservation): stay.last.at
        for stays in timeline.stays.values()
        for stay in stays
        if stay.last is not None and stay.last.state != "CONTACT_QUEUED"
    }
    del spans
    if not facts.clock_steady or any(fault.forgets for fault in facts.faults):
        return
    for listed in facts.listed:
        for reservation in listed.reservations:
            at = over.get((listed.site, reservation))
            if at is not None and at + LAPSE_SECONDS < listed.began:
                yield Breach(Law.LEFT, f"{reservation} is live {listed.began - at:.2f} s after its contact left it")


def _again(facts: Facts, timeline: Timeline, spans: Sequence[Span]) -> Iterator[Breach]:
    """Find contacts that were offered, by no person's hand, to an agent who had declined or missed them."""
    del spans
    declined: dict[tuple[str, str], list[h.Step]] = defaultdict(list)
    for contact in facts.contacts.values():
        for step in {step.sequence: step for told in contact.steps.values() for step in told}.values():
            if step.cause in {"CAUSE_DECLINED", "CAUSE_OFFER_EXPIRED"}:
                declined[contact.site, contact.id].append(step)
    for (site, agent), stays in timeline.stays.items():
        for stay in stays:
            if facts.contacts[site, stay.contact].told_lost:
                continue  # the store may have lost the decline
            earlier = [
                step
                for step in declined.get((site, stay.contact), ())
                if step.agent == agent and step.sequence < stay.first.sequence
            ]
            if earlier and stay.first.cause in {"CAUSE_OFFERED", "CAUSE_TRANSFERRED"}:
                yield Breach(Law.AGAIN, f"{stay.contact} was offered to {agent} again at {stay.span.since:.3f}")


def _beats(facts: Facts, spans: Sequence[Span]) -> Iterator[Breach]:
    """Find agents who are ONLINE more than two seconds after their last heartbeat stopped counting."""
    beats: dict[tuple[str, str], list[h.Call]] = defaultdict(list)
    for call in facts.calls:
        if call.verb == "beat" and call.ending != h.REFUSED:
            beats[call.site, call.agent].append(call)
    for call in facts.calls:
        if call.verb != "presence" or call.ending != h.OK or call.status != "ONLINE":
            continue
        before = [beat for beat in beats.get((call.site, call.agent), ()) if beat.began < call.ended]
        if not before or before[-1].ending != h.OK:
            continue
        due = before[-1].ended + before[-1].wait + HEARTBEAT_SECONDS
        back = any(
            set_.status == "ONLINE" and set_.began < call.ended and set_.ended > before[-1].began
            for set_ in facts.status.get((call.site, call.agent), ())
        )
        if call.began > due and not back and not meets(spans, due - HEARTBEAT_SECONDS, call.began):
            yield Breach(Law.LATE, f"{call.agent} is ONLINE {call.began - due:.2f} s after the heartbeats ceased")


def _health(facts: Facts) -> Iterator[Breach]:
    """Find servers that after five seconds do not say yet that they serve again, or that they do not."""
    for replica, site in sorted({(word.replica, word.site) for word in facts.health}):
        probes = sorted((probe for probe in facts.probes if probe.replica == replica), key=lambda probe: probe.began)
        said = sorted(
            (word for word in facts.health if (word.replica, word.site) == (replica, site)), key=lambda word: word.began
        )
        for able in (True, False):
            for span in _stretches(probes, able=able):
                since: float | None = None
                for word in said:
                    if not span.since < word.began < word.ended < span.until or word.serving is not (not able):
                        since = None
                        continue
                    since = word.began if since is None else since
                    if word.ended - since > HEALTH_SECONDS:
                        tells, what = ("NOT_SERVING", "is able") if able else ("SERVING", "is not able")
                        of = f" of {site}" if site else ""
                        yield Breach(
                            Law.HEALTH,
                            f"replica {replica} {what} from {span.since:.3f} and says {tells}{of} since {since:.3f}",
                        )
                        break


def _stretches(probes: Sequence[h.Probe], *, able: bool) -> Iterator[Span]:
    """Yield the times in which all probes of a server were able, or all failed for want of the store."""
    run: list[h.Probe] = []
    for probe in probes:
        fits = probe.able if able else probe.reason in STORE_AWAY
        if fits and (not run or probe.began - run[-1].ended < 2.0):
            run.append(probe)
            continue
        if run:
            yield Span(run[0].ended, run[-1].began)
        run = [probe] if fits else []
    if run:
        yield Span(run[0].ended, run[-1].began)


TIMED: Final[tuple[Callable[[Facts, Timeline, Sequence[Span]], Iterator[Breach]], ...]] = (
    _by_steps, _lapses, _waits_end, _offered_on, _overtaken, _to_who_is_away, _kept, _again,
)  # fmt: skip
