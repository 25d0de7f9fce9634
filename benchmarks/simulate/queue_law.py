"""The law of the queue: no contact is overtaken, for an agent who fits both, by a contact that arrived much later.

"Much later" is more than the difference of the head starts plus 1/wait_weight seconds. An agent fits both contacts if
the agent meets all requirements and certainly had free capacity for the waiting contact, even if all other holds that
may have lasted did.

The service offers waiting contacts on events. So a contact counts as waiting, and a requirement as lapsed, only after
`SLACK` seconds, or after the time that the service needed just before to report a step or to answer a desk; after a
death, only after the dead replica's lease and a second.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from benchmarks.simulate import history as h
from benchmarks.simulate.facts import Contact, Day, Hold, Wait
from benchmarks.simulate.verdict import Breach, Law
from matcher.model.languages import meets

SLACK: Final = 0.5
"""Seconds of real time in which a change reaches the leader that makes the offers."""
AFTER_DEATH: Final = 2.0
"""The seconds of a leader lease, and a second."""
AROUND: Final = 3.0
"""The seconds before a moment whose steps and answers show the service's delay at that moment."""


def bound(day: Day, wish: h.Wish, pool: str) -> float:
    """Return the seconds by which a contact of a pool may arrive after a waiting contact and still be served first."""
    waits, overtakes = day.pools[wish.pool], day.pools[pool]
    return overtakes.head_start - waits.head_start + 1 / overtakes.wait_weight


def overtaken(day: Day) -> Iterator[Breach]:
    """Find the contacts that were overtaken, by the holds in the order of their creation."""
    delays = Delays(day)
    by_start = sorted(
        (
            (wait.began + SLACK, wait.ended - SLACK, contact, wait)
            for contact in day.contacts.values()
            for wait in contact.waits
        ),
        key=lambda entry: entry[0],
    )
    waiting: list[tuple[float, float, Contact, Wait]] = []
    at = 0
    for hold in sorted(day.holds.values(), key=lambda hold: hold.first.created):
        created, served = hold.first.created, day.contacts[hold.first.contact]
        while at < len(by_start) and by_start[at][0] <= created:
            waiting.append(by_start[at])
            at += 1
        waiting = [entry for entry in waiting if entry[1] >= created]
        if hold.assigned:
            continue  # the supervisor's choice, not the service's
        slack = delays.slack(created)
        # A hold counts as one breach, for the contact that waited longest of those it overtook.
        for _, _, contact, wait in sorted(waiting, key=lambda entry: entry[2].arrived_last):
            later = served.arrived_first - contact.arrived_last
            if later <= bound(day, wait.wish, hold.first.pool) + SLACK or wait.began + slack > created:
                continue
            if _agent_fits(day, hold, contact, wait.wish, slack):
                what = f"contact {contact.id} was overtaken by {served.id}, which arrived {later:.1f} s later"
                yield Breach(Law.OVERTAKEN, f"{what}, for {hold.first.agent} as {hold.first.reservation}")
                break


class Delays:
    """The service's delays at each time of the day, as the clients measured them."""

    def __init__(self, day: Day) -> None:
        steps = [(step.at, step.heard - step.at) for contact in day.contacts.values() for step in contact.steps]
        answers = [
            (call.began, call.ended - call.began)
            for hold in day.holds.values()
            for calls in hold.done.values()
            for call in calls
            if call.ending is h.Ending.OK
        ]
        measured = sorted(steps + answers)
        self._at = [at for at, _ in measured]
        self._delays = [delay for _, delay in measured]
        # No replica can offer while the store is down, and none does after the leader's death until its lease is over.
        self._deaths = [
            (outage.began, outage.ended if outage.what == "store" else outage.began) for outage in day.outages
        ]

    def slack(self, at: float) -> float:
        """Return the seconds after which the leader certainly knows a change, at a time."""
        around = self._delays[bisect_left(self._at, at - AROUND) : bisect_left(self._at, at)]
        usual = max(SLACK, *around) if around else SLACK
        died = [began for began, ended in self._deaths if began - usual <= at <= ended + AFTER_DEATH + usual]
        return max(usual, at - min(died) + usual) if died else usual


def _agent_fits(day: Day, hold: Hold, contact: Contact, wish: h.Wish, slack: float) -> bool:
    """Return whether the agent of a hold certainly fitted another contact at that moment."""
    desk, at = day.desks[hold.first.agent], hold.first.created
    waited = at - contact.arrived_last - slack
    pool = day.pools[wish.pool]
    kept = max(wish.kept, pool.relationship_wait if contact.returning else 0.0)
    if wish.only not in ("", desk.agent) or desk.agent in wish.excluded or wish.pool not in desk.pools:
        return False
    if contact.id == hold.first.contact or (kept and waited < kept):
        return False
    if any(before.first.agent == desk.agent for before in contact.holds if before.first.created < at):
        return False
    for skill, (level, lasts) in wish.skills.items():
        if desk.skills.get(skill, 0) < max(level, 1) and not (lasts and waited >= lasts):
            return False
    if wish.language and not any(meets(wish.language, spoken) for spoken in desk.languages):
        return False
    return _has_capacity(day, hold, wish.channel)


def _has_capacity(day: Day, hold: Hold, channel: str) -> bool:
    desk, at = day.desks[hold.first.agent], hold.first.created
    if channel not in desk.channels:
        return False
    others = [
        other.first
        for other in day.by_agent[desk.agent]
        if other is not hold and other.first.created <= at < other.possible_until
    ]
    cost, most = desk.channels[channel]
    on_channel = sum(other.channel == channel for other in others)
    return sum(other.cost for other in others) + cost <= desk.total and (not most or on_channel < most)
