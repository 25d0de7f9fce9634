"""The laws of what is on record: the ledger has what the watches told, and a loss is told on all watches in time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from benchmarks.chaos import history as h
from benchmarks.chaos.facts import Contact, Facts, Key
from benchmarks.chaos.timeline import meets, unable
from benchmarks.chaos.verdict import Breach, Law

TOLD_SECONDS: Final = 5.0
"""A loss is told within this time after every server was able again."""
LOST: Final = "CAUSE_LOST"


def judge_records(facts: Facts) -> Iterator[Breach]:
    """Judge the ledger and the losses."""
    yield from _ledger(facts)
    yield from _losses(facts)


def _ledger(facts: Facts) -> Iterator[Breach]:
    """Find steps that a watch told and the ledger lacks or has otherwise, steps that only the ledger has, and gaps.

    Nothing of a history after which a store may have forgotten what it had told: its entries went with its steps.
    """
    if not facts.entries or any(fault.forgets for fault in facts.faults):
        return
    for gap in facts.gaps:
        yield Breach(Law.LEDGER, f"the ledger of {gap.site} lacks {gap.entries} steps")
    kept: dict[Key, dict[int, h.Entry]] = defaultdict(dict)
    for entry in facts.entries:
        if (entry.site, entry.contact) not in facts.forgotten:
            kept[entry.site, entry.contact][entry.sequence] = entry
        elif not _may_be_kept(facts, entry):
            yield Breach(Law.FORGOTTEN, f"the ledger has {entry.contact}, whose customer was forgotten")
    for key, contact in facts.contacts.items():
        if key not in facts.forgotten:
            yield from _lacking(contact, kept.get(key, {}))
    yield from _kept_and_untold(facts, kept)


def _kept_and_untold(facts: Facts, kept: Mapping[Key, Mapping[int, h.Entry]]) -> Iterator[Breach]:
    """Find steps that the ledger has and a watch was not told."""
    unbroken = _unbroken_watches(facts)
    for key, entries in kept.items():
        heard_by = facts.contacts[key].steps if key in facts.contacts else {}
        for watch in unbroken.get(key[0], ()):
            numbers = {step.sequence for step in heard_by.get(watch, ())}
            if missing := sorted(entries.keys() - numbers):
                yield Breach(Law.UNTOLD, f"{watch} was not told the steps {missing} of {key[1]}, which the ledger has")


def _lacking(contact: Contact, entries: Mapping[int, h.Entry]) -> Iterator[Breach]:
    """Find steps of a contact that a watch told and the ledger lacks or has otherwise."""
    for sequence, step in sorted({step.sequence: step for steps in contact.steps.values() for step in steps}.items()):
        found = entries.get(sequence)
        heard = (step.state, step.cause, step.reservation, step.agent)
        if found is None:
            yield Breach(Law.LEDGER, f"the ledger lacks step {sequence} of {contact.id}: {step.cause}")
        elif (said := _said(found)) != heard:
            yield Breach(Law.LEDGER, f"step {sequence} of {contact.id}: {heard} was told, {said} is kept")


def _said(entry: h.Entry) -> tuple[str, str, str, str]:
    return f"CONTACT_{entry.state}", f"CAUSE_{entry.kind}", entry.reservation, entry.agent


def _may_be_kept(facts: Facts, entry: h.Entry) -> bool:
    """Return whether no forgetting of the contact's customer was acknowledged, or a call for it had no answer."""
    asked = [call for call in facts.calls if call.site == entry.site and call.contact == entry.contact]
    return not any(call.verb == "forget customer" and call.ending == h.OK for call in asked) or any(
        call.ending == h.UNKNOWN for call in asked
    )


def _unbroken_watches(facts: Facts) -> dict[str, list[str]]:
    """Return the watches of each site that went on from where they were each time."""
    began: dict[Key, list[h.Watching]] = defaultdict(list)
    for watching in facts.watching:
        began[watching.site, watching.watch].append(watching)
    unbroken: dict[str, list[str]] = defaultdict(list)
    for (site, watch), times in began.items():
        times.sort(key=lambda one: one.began)
        if all(one.resumed for one in times[1:]) and not any(one.reason == "EVENTS_FORGOTTEN" for one in times):
            unbroken[site].append(watch)
    return unbroken


def _losses(facts: Facts) -> Iterator[Breach]:
    """Find losses that a watch was told more than five seconds after all servers were able, or not at all."""
    forgot = [fault for fault in facts.faults if fault.forgets]
    spans = unable(facts)
    unbroken = _unbroken_watches(facts)
    for contact in facts.contacts.values():
        steps = [step for told in contact.steps.values() for step in told if step.cause == LOST]
        for sequence in {step.sequence for step in steps}:
            told = {step.watch: step.heard for step in steps if step.sequence == sequence}
            first = min(told.values())
            since = max((fault.began for fault in forgot if fault.began < first), default=None)
            if since is None:
                yield Breach(Law.UNREPORTED, f"{contact.id} was told lost, and no store has forgotten anything")
                continue
            for watch in unbroken.get(contact.site, ()):
                heard = told.get(watch, math.inf)
                able = max([since, *(span.until for span in spans if span.since < first)])
                due = able + TOLD_SECONDS
                if heard > due and not meets(spans, able, due):
                    late = f"{heard - due:.1f} s late" if watch in told else "not at all"
                    yield Breach(Law.UNREPORTED, f"{watch} was told the loss of {contact.id} {late}")
