"""The summary of a day: counts and measures of its history besides the breaches."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Final

import numpy as np

from benchmarks.simulate import history as h
from benchmarks.simulate.facts import Contact, Day
from benchmarks.simulate.history import Ending, Outcome, Verb
from matcher.model.lifecycle import Cause, ContactState

MEASURED: Final = 2
"""The fewest contacts of an arm that have a mean wait with an error."""


def gini(shares: Sequence[float]) -> float:
    """Return the Gini coefficient of shares: 0 if all are equal, 1 if one has everything; NaN for zeros."""
    ordered = np.sort(np.asarray(shares, np.float64))
    count, total = len(ordered), float(ordered.sum())
    if not total:
        return float("nan")
    return float(2 * (np.arange(1, count + 1) * ordered).sum() / (count * total) - (count + 1) / count)


def figures(day: Day) -> dict[str, float | int | None]:
    """Return counts and measures; None for a measure without data."""
    contacts = [contact for contact in day.contacts.values() if contact.acknowledged]
    talks = [hold for hold in day.holds.values() if hold.talked_from is not None]
    served = dict.fromkeys(day.desks, 0)
    for hold in talks:
        served[hold.first.agent] += 1
    queued = [contact for contact in contacts if any(route.outcome is Outcome.QUEUED for route in contact.routes)]
    waits = [_waited(contact) for contact in queued if contact.holds]
    causes = [step.cause for contact in contacts for step in contact.steps]
    attempts = [attempt for calls in day.requests.values() for attempt in calls]
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
        "agent_removed": causes.count(Cause.AGENT_REMOVED),
        "no_first_response": causes.count(Cause.NO_FIRST_RESPONSE),
        "transfers": causes.count(Cause.TRANSFERRED),
        "transfers_waiting": causes.count(Cause.TRANSFER_ASKED),
        "assigned": sum(hold.assigned for hold in day.holds.values()),
        "assigned_above_capacity": _above_capacity(day),
        "returned": sum(any(step.state is ContactState.RETURNED for step in contact.steps) for contact in contacts),
        "routed_again": sum(len({route.request for route in contact.routes}) > 1 for contact in contacts),
        "wrap_ups_ended": sum(bool(_ok(hold.done[Verb.END_WRAP_UP])) for hold in day.holds.values()),
        "gave_up": sum(bool(_ok(contact.gave_up)) for contact in contacts),
        "wait_expired": causes.count(Cause.WAIT_EXPIRED),
        "queued": len(queued),
        "queued_share": round(len(queued) / len(contacts), 4) if contacts else None,
        "mean_wait": round(fmean(waits), 3) if waits else None,
        "worst_wait": round(max(waits), 3) if waits else None,
        **_waits_by_arm([contact for contact in queued if contact.holds]),
        "news_p50": round(float(np.percentile(news, 50)), 4) if news else None,
        "news_p99": round(float(np.percentile(news, 99)), 4) if news else None,
        "unanswered_attempts": sum(attempt.ending is Ending.UNKNOWN for attempt in attempts),
        "replayed_answers": sum(attempt.replayed for attempt in attempts),
        "replicas_killed": sum(outage.what == "replica" for outage in day.outages),
        "stores_restarted": sum(outage.what == "store" for outage in day.outages),
        "steps_told": sum(len(contact.steps) for contact in day.contacts.values()),
    }


def _waited(contact: Contact) -> float:
    return max(contact.holds[0].first.created - contact.arrived_last, 0.0)


def _waits_by_arm(queued: Sequence[Contact]) -> dict[str, float | int | None]:
    """Return the mean waits of both arms, and the half-width of 95 % of their difference; empty without arms."""
    control = np.array([_waited(contact) for contact in queued if contact.control is True])
    others = np.array([_waited(contact) for contact in queued if contact.control is False])
    if len(control) < MEASURED or len(others) < MEASURED:
        return {}
    error = (control.var(ddof=1) / len(control) + others.var(ddof=1) / len(others)) ** 0.5
    return {
        "queued_control": len(control),
        "mean_wait_control": round(float(control.mean()), 3),
        "mean_wait_treatment": round(float(others.mean()), 3),
        "wait_difference_half_width": round(1.96 * float(error), 3),
    }


def _above_capacity(day: Day) -> int:
    """Count the assignments that certainly exceeded the agent's capacity when they were made."""
    count = 0
    for agent, holds in day.by_agent.items():
        for hold in holds:
            at = hold.first.created
            live = [other.first for other in holds if other.first.created <= at < other.counts_until]
            _, most = day.desks[agent].channels.get(hold.first.channel, (0, 0))
            on_channel = sum(other.channel == hold.first.channel for other in live)
            too_much = sum(other.cost for other in live) > day.desks[agent].total
            count += hold.assigned and (too_much or bool(most and on_channel > most))
    return count


def _ok(calls: Sequence[h.Call]) -> list[h.Call]:
    return [call for call in calls if call.ending is Ending.OK]
