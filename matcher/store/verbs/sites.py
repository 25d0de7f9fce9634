"""The verbs of sites: their founding and deletion, and what of a site is due next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall


class FoundSite(VerbCall, frozen=True, kw_only=True):
    """Begins a site's life, and once more notes who founded it, when the site is on the list of sites.

    exists: another caller founded it. deleting: a deletion has not ended, or has to begin.
    """

    life: Key
    pools: Key
    agents: Key
    contacts: Key
    roster: Key
    audit: Key
    said: str | bytes = ""
    """See PutAgent."""
    uid: str
    """Of the new life; a life that has begun keeps its own."""
    founder: str
    """A call that is repeated has the same."""
    listed: int
    """1: the site is on the list of sites."""

    in_a_life: ClassVar[bool] = False
    answers: ClassVar[Answers] = {"ok": ("uid",), "exists": (), "deleting": ("uid",)}


class AdoptSite(VerbCall, frozen=True, kw_only=True):
    """Gives a site that an earlier version founded its life."""

    life: Key
    uid: str

    in_a_life: ClassVar[bool] = False
    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": ("uid", "state", "due_ms")}


class DeleteSite(VerbCall, frozen=True, kw_only=True):
    """Begins a site's deletion; from then on no verb runs for the site. used: how many agents it has."""

    life: Key
    agents: Key
    roster: Key
    audit: Key
    said: str | bytes = ""
    """See PutAgent."""
    site_id: str
    force: int
    """1: delete it with its agents."""
    events_kept: int

    in_a_life: ClassVar[bool] = False
    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": ("uid",), "used": ("agents",), "gone": ()}


class DoomedKey(CallPart, frozen=True, kw_only=True):
    """A key of a site that is being deleted."""

    key: Key


class Erase(VerbCall, frozen=True, kw_only=True):
    """Removes keys of a site that is being deleted. over: that life of the site has ended."""

    life: Key
    uid: str
    """Of the life that is being deleted: a new site of the same id keeps its keys."""
    last: int
    """1: the life ends too."""
    doomed: Sequence[DoomedKey]

    in_a_life: ClassVar[bool] = False
    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": (), "over": ()}


class SiteSalt(VerbCall, frozen=True, kw_only=True):
    """Reads a site's salt; `salt` becomes it where there is none."""

    life: Key
    salt: str

    answers: ClassVar[Answers] = {"ok": ("salt",)}


class NextDue(VerbCall, frozen=True, kw_only=True):
    """Reads what is due next, and notes it in the site's life; at_ms '': nothing. A contact that waits is due now."""

    life: Key
    due: Key
    timers: Key
    queue: Key

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": ("at_ms",)}


class ProveWriting(VerbCall, frozen=True, kw_only=True):
    """Proves that the server of a site takes what is written; changes nothing."""

    none: Key
    """A key of the site that nothing writes."""

    in_a_life: ClassVar[bool] = False
    frees: ClassVar[bool] = True  # a full server still takes what ends something
    answers: ClassVar[Answers] = {"ok": ()}
