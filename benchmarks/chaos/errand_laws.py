"""The laws of the errands: customers, outcomes, keys, bodies beyond the limit, and a site that comes and goes."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from benchmarks.chaos import history as h
from benchmarks.chaos.facts import Facts
from benchmarks.chaos.timeline import meets, unable
from benchmarks.chaos.verdict import Breach, Law

KEY_SECONDS: Final = 2.0
"""Every process follows a change of the keys within this time."""
ABLE_SECONDS: Final = 2.0
"""A server whose probe took no longer is able, however busy: of it a change of the keys may take twice as long."""
KEY_REFUSED: Final = frozenset({"CREDENTIALS_WRONG", "CREDENTIALS_REVOKED"})
COUNTED: Final = {
    "put customer": "customers_put", "forget customer": "customers_forgotten", "outcome": "outcomes",
    "revoke key": "keys_revoked", "delete site": "sites_deleted", "import": "imports", "oversized": "oversized",
    "half open": "half_open", "slow reader": "slow_readers",
}  # fmt: skip
"""The verbs of the errands, and the claims that count those that were done."""
ATTEMPTED: Final = frozenset({"oversized", "half open", "slow reader"})
"""Of these every attempt is counted."""


def judge_errands(facts: Facts) -> Iterator[Breach]:
    """Judge what clients asked beside routes. What a store may have forgotten by then is left out."""
    for law in ERRANDS:
        yield from law(facts)


def errands_done(facts: Facts) -> dict[str, int]:
    """Return how many errands of each kind were done."""
    done = Counter(
        COUNTED[call.verb]
        for call in facts.calls
        if call.verb in COUNTED and (call.ending == h.OK or call.verb in ATTEMPTED)
    )
    return dict(done)


def _by(calls: Iterable[h.Call], verbs: set[str], name: str) -> dict[tuple[str, str], list[h.Call]]:
    """Return the calls of some verbs by their site and one of their fields."""
    found: dict[tuple[str, str], list[h.Call]] = defaultdict(list)
    for call in calls:
        if call.verb in verbs:
            found[call.site, getattr(call, name)].append(call)
    return found


def _customers(facts: Facts) -> Iterator[Breach]:
    """Find customers who are remembered otherwise than put, and traces of customers who were forgotten.

    A change without an answer may be done at any later time, so a customer of whom one was asked is not judged.
    """
    verbs = {"put customer", "forget customer", "look up customer", "look for visit"}
    for (_, handle), calls in _by(facts.calls, verbs, "request").items():
        changes = [call for call in calls if call.verb in {"put customer", "forget customer"}]
        if any(call.ending != h.OK for call in changes):
            continue
        for read in calls:
            before = [change for change in changes if change.ended < read.began]
            if read in changes or read.ending == h.UNKNOWN or not before or facts.forgotten_before(read.ended):
                continue
            there, last = read.ending == h.OK, before[-1]
            if last.verb == "forget customer" and there:
                yield Breach(Law.FORGOTTEN, f"{read.verb} of {handle}: {read.outcome or 'found'}")
            elif last.verb == "put customer" and read.verb == "look up customer" and read.outcome != last.outcome:
                yield Breach(
                    Law.GONE, f"{handle} is remembered as {read.outcome or read.reason!r}, not {last.outcome!r}"
                )


def _outcomes(facts: Facts) -> Iterator[Breach]:
    """Find outcomes that were acknowledged and are not those that count when all is over.

    An outcome without an answer may be recorded at any later time: a contact with one and with two values is left out.
    """
    for (site, contact), calls in _by(facts.calls, {"outcome", "read outcomes"}, "contact").items():
        recorded = [call for call in calls if call.verb == "outcome" and call.ending != h.REFUSED]
        done = [call for call in recorded if call.ending == h.OK]
        values = {call.outcome for call in recorded}
        if not done or (len(values) > 1 and len(done) < len(recorded)) or (site, contact) in facts.forgotten:
            continue
        for read in calls:
            if read.verb != "read outcomes" or read.ending == h.UNKNOWN or facts.forgotten_before(read.ended):
                continue
            if done[-1].outcome not in read.outcome.split():
                said = read.outcome or read.reason
                yield Breach(Law.LEDGER, f"of {contact} counts {said!r}, and {done[-1].outcome} was recorded")


def _keys(facts: Facts) -> Iterator[Breach]:
    """Find calls that were taken with a key that was revoked two seconds before, or refused with one that counts."""
    spans, dead = unable(facts), unable(facts, ABLE_SECONDS)
    for (_, key), calls in _by(facts.calls, {"make key", "with key", "revoke key"}, "agent").items():
        made = min((call.ended for call in calls if call.verb == "make key" and call.ending == h.OK), default=math.inf)
        asked = min((call.began for call in calls if call.verb == "revoke key"), default=math.inf)
        done = [call.ended for call in calls if call.verb == "revoke key" and call.ending == h.OK]
        revoked = min(done, default=math.inf)
        for call in calls:
            if call.verb != "with key" or facts.forgotten_before(call.ended):
                continue
            refused = call.reason in KEY_REFUSED
            late = call.began > revoked + KEY_SECONDS and not meets(spans, revoked, call.ended)
            very_late = call.began > revoked + 2 * KEY_SECONDS and not meets(dead, revoked, call.ended)
            if (late or very_late) and call.ending == h.OK:
                yield Breach(Law.REVOKED, f"{key} was taken {call.began - revoked:.2f} s after it was revoked")
            counts = call.began > made + KEY_SECONDS and call.ended < asked
            if counts and refused and not meets(spans, made, call.ended):
                yield Breach(Law.REVOKED, f"{key} was refused {call.began - made:.2f} s after it was made")


def _bounds(facts: Facts) -> Iterator[Breach]:
    """Find requests beyond the limit of the method that were taken."""
    for call in facts.calls:
        if call.verb == "oversized" and call.ending == h.OK:
            yield Breach(Law.BOUND, f"replica {call.replica} took a body beyond the limit at {call.began:.3f}")


def _sites(facts: Facts) -> Iterator[Breach]:
    """Find sites that were deleted and answer, and what a site that was created again has of the one before."""
    created = [call for call in facts.calls if call.verb == "create site"]
    for call in facts.calls:
        if call.verb != "list after deletion" or call.ending != h.OK or facts.forgotten_before(call.ended):
            continue
        deletions = [one for one in facts.calls if one.verb == "delete site" and one.site == call.site]
        before = [one.ended for one in deletions if one.ending == h.OK and one.ended < call.began]
        again = [one for one in created if one.site == call.site and before and one.ended > before[-1]]
        late = [one for one in created if one.site == call.site and one.ending == h.UNKNOWN]
        if before and not late and not any(one.began < call.ended for one in again):
            yield Breach(Law.DELETED, f"{call.site} answers {call.began - before[-1]:.3f} s after its deletion")
    for life in facts.found_lives:
        if facts.forgotten_before(life.at):
            continue
        former = sorted({*life.agents} - {*life.imported, *_doubted(facts, life)})
        if former or life.contacts:
            names = ", ".join((*former, *life.contacts))
            yield Breach(Law.DELETED, f"{life.site} was created again and has {names}")
        if missing := sorted({*life.imported} - {*life.agents}):
            yield Breach(Law.GONE, f"{', '.join(missing)} were imported and are not in {life.site}")


def _doubted(facts: Facts, life: h.FoundLife) -> set[str]:
    """Return the agents of the life's own import whose rows had no answer: they may have been taken."""
    mine = {agent.rpartition("-")[0] for agent in life.imported}
    return {agent for site, agent in facts.staff if site == life.site and agent.rpartition("-")[0] in mine}


ERRANDS: Final[tuple[Callable[[Facts], Iterator[Breach]], ...]] = (_customers, _outcomes, _keys, _bounds, _sites)
