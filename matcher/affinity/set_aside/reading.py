"""Reading of a message: sets aside what the customer did not write now, and keeps the places of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matcher.affinity.set_aside.page import Unaligned, read_page
from matcher.affinity.set_aside.places import Places
from matcher.affinity.set_aside.plain import cut
from matcher.model import HTML, AsideKind, Message, SetAside, Stretch

MOST_NAMED: Final = 64
"""Parts that a decision names; of more it names the longest."""


def read(message: Message) -> Message:
    """Return a message whose text is what is compared; a message that was read before comes back unchanged.

    Where the HTML is too broken to tell the places of its words, its whole text is kept, and `set_aside` says so.
    """
    if message.kept is not None:
        return message
    source = message.text
    if message.media_type != HTML:
        whole = (Stretch(0, len(source), len(source)),) if source else ()
        return _kept(message, source, whole, ())
    try:
        page = read_page(source)
    except Unaligned:
        unaligned = (SetAside(AsideKind.UNALIGNED, 0, len(source)),)
        return message.with_kept(source, (Stretch(0, len(source), len(source)),), unaligned)
    return _kept(message, "".join(page.parts), page.stretches, page.set_aside)


def _kept(message: Message, text: str, stretches: Sequence[Stretch], before: Sequence[SetAside]) -> Message:
    """Cut a text that comes from stretches of the caller's own; before: what its HTML set aside already."""
    asides = cut(text)
    if not asides:
        return message.with_kept(text, tuple(stretches), _merged(message.text, before) if before else ())
    places = Places(stretches)
    own = [SetAside(aside.kind, *places.own(aside.start, aside.end)) for aside in asides]
    parts, kept = _without(text, stretches, asides)
    return message.with_kept("".join(parts), tuple(kept), _merged(message.text, [*before, *own]))


def _without(text: str, stretches: Sequence[Stretch], asides: Sequence[SetAside]) -> tuple[list[str], list[Stretch]]:
    """Return the pieces of the text outside the asides, with their stretches."""
    parts: list[str] = []
    kept: list[Stretch] = []
    number, begins = 0, 0
    for start, end in _between(asides, len(text)):
        parts.append(text[start:end])
        at = start
        while at < end:
            stretch = stretches[number]
            if begins + stretch.length <= at:
                begins += stretch.length
                number += 1
                continue
            until = min(end, begins + stretch.length)
            if stretch.end - stretch.start == stretch.length:
                kept.append(Stretch(stretch.start + at - begins, stretch.start + until - begins, until - at))
            else:
                kept.append(Stretch(stretch.start, stretch.end, until - at))
            at = until
    return parts, kept


def _between(asides: Sequence[SetAside], length: int) -> list[tuple[int, int]]:
    ends = [0, *(aside.end for aside in asides)]
    starts = [*(aside.start for aside in asides), length]
    return [(start, end) for start, end in zip(ends, starts, strict=True) if start < end]


def _merged(source: str, asides: Sequence[SetAside]) -> tuple[SetAside, ...]:
    """Return the parts in order, with neighbours of one kind joined where at most spaces stand between them."""
    merged: list[SetAside] = []
    for aside in sorted(asides, key=lambda aside: (aside.start, -aside.end)):
        if merged and aside.end <= merged[-1].end:
            continue  # a tag inside a quote
        if merged and merged[-1].kind is aside.kind and not source[merged[-1].end : aside.start].strip():
            merged[-1] = SetAside(aside.kind, merged[-1].start, aside.end)
        elif merged and aside.start < merged[-1].end:
            merged.append(SetAside(aside.kind, merged[-1].end, aside.end))
        else:
            merged.append(aside)
    return tuple(merged)


def longest(asides: Sequence[SetAside]) -> tuple[SetAside, ...]:
    """Return the parts that a decision names, in order: the longest where there are more than 64."""
    if len(asides) <= MOST_NAMED:
        return tuple(asides)
    named = sorted(asides, key=lambda aside: (aside.start - aside.end, aside.start))[:MOST_NAMED]
    return tuple(sorted(named, key=lambda aside: aside.start))
