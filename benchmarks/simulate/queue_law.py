"""The law of the queue: for an agent both could take, nobody is overtaken by a contact that came much later.

"Much later" is more than the difference of the head starts and 1/wait_weight seconds. Both could take the agent where
everything required was met and the agent surely had room for the one who waited, whatever of the agent's other holds
may still have lasted. Contacts that wait are offered on events, so nobody counts as waiting, or as having a requirement
behind them, before `SLACK` has passed, or as long as the service then took to tell clients a step or to answer a desk;
after a death, before the dead one's lease and a second have.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from benchmarks.simulate import history as h
from benchmarks.simulate.lives import Contact, Day, Hold, Wait
from benchmarks.simulate.verdict import Breach, Law
from matcher.model import primary_subtag

SLACK: Final = 0.5
"""Seconds, of real time, in which the news of a change reaches whoever offers."""
AFTER_DEATH: Final = 2.0
"""A lease, and a second."""
AROUND: Final = 3.0
"""The steps and answers of so many seconds before tell how long the service takes at a time."""


def bound(day: Day, wish: h.Wish, pool: str) -> float:
    """Return how many seconds later than a contact that waits one of a pool may come and yet be served before it."""
    waits, overtakes = day.pools[wish.pool], day.pools[pool]
    return overtakes.head_start - waits.head_start + 1 / overtakes.wait_weight


def overtaken(day: Day) -> Iterator[Breach]:
    """Find who was overtaken, by the holds in the order in which they were made."""
    news = News(day)
    coming = sorted(
        (
            (wait.began + SLACK, wait.ended - SLACK, contact, wait)
            for contact in day.contacts.values()
            for wait in contact.waits
        ),
        key=lambda one: one[0],
    )
    waiting: list[tuple[float, float, Contact, Wait]] = []
    at = 0
    for hold in sorted(day.holds.values(), key=lambda hold: hold.first.created):
        made, served = hold.first.created, day.contacts[hold.first.contact]
        while at < len(coming) and coming[at][0] <= made:
            waiting.append(coming[at])
            at += 1
        waiting = [one for one in waiting if one[1] >= made]
        slack = news.slack(made)
        # One breach a hold: of those it overtook, the one who had waited longest.
        for _, _, contact, wait in sorted(waiting, key=lambda one: one[2].arrived_last):
            later = served.arrived_first - contact.arrived_last
            if later <= bound(day, wait.wish, hold.first.pool) + SLACK or wait.began + slack > made:
                continue
            if _could_take(day, hold, contact, wait.wish, slack):
                what = f"contact {contact.id} was overtaken by {served.id}, which came {later:.1f} s later"
                yield Breach(Law.OVERTAKEN, f"{what}, for {hold.first.agent} as {hold.first.reservation}")
                break


class News:
    """How long the service takes at a time of the day, as far as the clients can tell."""

    def __init__(self, day: Day) -> None:
        steps = [(one.at, one.heard - one.at) for contact in day.contacts.values() for one in contact.steps]
        answers = [
            (one.began, one.ended - one.began)
            for hold in day.holds.values()
            for calls in hold.done.values()
            for one in calls
            if one.ending is h.Ending.OK
        ]
        taken = sorted(steps + answers)
        self._at = [at for at, _ in taken]
        self._took = [took for _, took in taken]
        # While the store is away nobody can offer; when a replica dies, nobody does until its lease is over.
        self._deaths = [(one.began, one.ended if one.what == "store" else one.began) for one in day.outages]

    def slack(self, at: float) -> float:
        """Return after how many seconds a change is surely known to whoever offers, at a time."""
        around = self._took[bisect_left(self._at, at - AROUND) : bisect_left(self._at, at)]
        usual = max(SLACK, *around) if around else SLACK
        died = [began for began, ended in self._deaths if began - usual <= at <= ended + AFTER_DEATH + usual]
        return max(usual, at - min(died) + usual) if died else usual


def _could_take(day: Day, hold: Hold, contact: Contact, wish: h.Wish, slack: float) -> bool:
    """Tell whether the agent of a hold could surely have taken another contact instead, at that moment."""
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
    if wish.language and primary_subtag(wish.language) not in map(primary_subtag, desk.languages):
        return False
    return _room(day, hold, wish.channel)


def _room(day: Day, hold: Hold, channel: str) -> bool:
    desk, at = day.desks[hold.first.agent], hold.first.created
    if channel not in desk.channels:
        return False
    others = [
        one.first
        for one in day.by_agent[desk.agent]
        if one is not hold and one.first.created <= at < one.possible_until
    ]
    cost, most = desk.channels[channel]
    on_channel = sum(one.channel == channel for one in others)
    return sum(one.cost for one in others) + cost <= desk.total and (not most or on_channel < most)
