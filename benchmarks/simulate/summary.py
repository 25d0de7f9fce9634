"""What else a history says of a day."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from benchmarks.simulate import history as h
from benchmarks.simulate.history import Ending, Outcome, Verb
from benchmarks.simulate.lives import Day
from matcher.model.lifecycle import Cause


def gini(shares: Sequence[float]) -> float:
    """Return the Gini coefficient of shares: 0 all alike, 1 one has everything. NaN where there is nothing."""
    ordered = np.sort(np.asarray(shares, np.float64))
    count, total = len(ordered), float(ordered.sum())
    if not total:
        return float("nan")
    return float(2 * (np.arange(1, count + 1) * ordered).sum() / (count * total) - (count + 1) / count)


def figures(day: Day) -> dict[str, float | int | None]:
    """Return counts and measures; None where there is nothing to measure."""
    contacts = [one for one in day.contacts.values() if one.acknowledged]
    talks = [hold for hold in day.holds.values() if hold.talked_from is not None]
    served = dict.fromkeys(day.desks, 0)
    for hold in talks:
        served[hold.first.agent] += 1
    queued = [one for one in contacts if any(route.outcome is Outcome.QUEUED for route in one.routes)]
    waits = [max(one.holds[0].first.created - one.arrived_last, 0.0) for one in queued if one.holds]
    causes = [step.cause for contact in contacts for step in contact.steps]
    attempts = [one for calls in day.requests.values() for one in calls]
    affinity = list(day.weighed.values())
    news = [step.heard - step.at for contact in contacts for step in contact.steps]
    return {
        "contacts": len(contacts),
        "mean_affinity": round(fmean(affinity), 4) if affinity else None,
        "gini": round(gini(list(served.values())), 4) if talks else None,
        "affinities_read": len(affinity),
        "conversations": len(talks),
        "offers": len(day.holds),
        "declined": sum(bool(_ok(hold.done[Verb.DECLINE])) for hold in day.holds.values()),
        "expired": causes.count(Cause.OFFER_EXPIRED),
        "agent_left": causes.count(Cause.AGENT_LEFT),
        "transfers": causes.count(Cause.TRANSFERRED),
        "transfers_waiting": causes.count(Cause.TRANSFER_ASKED),
        "gave_up": sum(bool(_ok(one.gave_up)) for one in contacts),
        "wait_expired": causes.count(Cause.WAIT_EXPIRED),
        "queued": len(queued),
        "queued_share": round(len(queued) / len(contacts), 4) if contacts else None,
        "mean_wait": round(fmean(waits), 3) if waits else None,
        "worst_wait": round(max(waits), 3) if waits else None,
        "news_p50": round(float(np.percentile(news, 50)), 4) if news else None,
        "news_p99": round(float(np.percentile(news, 99)), 4) if news else None,
        "unanswered_attempts": sum(one.ending is Ending.UNKNOWN for one in attempts),
        "replayed_answers": sum(one.replayed for one in attempts),
        "replicas_killed": sum(one.what == "replica" for one in day.outages),
        "stores_restarted": sum(one.what == "store" for one in day.outages),
        "steps_told": sum(len(one.steps) for one in day.contacts.values()),
    }


def _ok(calls: Sequence[h.Call]) -> list[h.Call]:
    return [one for one in calls if one.ending is Ending.OK]
