"""The store of sites: the list of sites, and each site's life from its founding to its deletion."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from matcher.errors import SiteExists, SiteInUse, SiteNotFound, StoreFull
from matcher.model import Page, Site
from matcher.model.resource_names import new_uid, site_name
from matcher.store import verbs
from matcher.store.codecs import pairs_of
from matcher.store.keys import DELETING, SITES, WAKER, Keys
from matcher.store.pages import every_page, id_page
from matcher.store.redis.client import StoreClient
from matcher.store.said import say

SLICE: Final = 500
"""Keys removed in one call of a deletion, in which the store answers nobody else: 0.3 ms (measured, agents' keys)."""
PAGE: Final = 1_000


class SiteState(StrEnum):
    """The state of a site's life."""

    ACTIVE = "ACTIVE"
    DELETING = "DELETING"
    """No verb runs for the site, and its keys are being removed."""


@dataclass(frozen=True, slots=True)
class Life:
    """A site's life. due_ms: when something of the site is due, or an earlier time; None: nothing is due."""

    uid: str
    state: SiteState
    due_ms: int | None


@dataclass(frozen=True, slots=True)
class Deletion:
    """A life of a site that is being deleted."""

    site: str
    uid: str


class SiteStore:
    """Found, list and delete sites, and read what is due in them."""

    def __init__(self, connection: StoreClient, events_kept: int) -> None:
        self._connection = connection
        self._events_kept = events_kept

    async def living(self, site: str) -> Life | None:
        """Read a site's life; None where there is no such site, or where it is being deleted.

        A site that an earlier version founded gets its life here.
        """
        listed, fields = await self._connection.pipeline([("ZSCORE", SITES, site), _read_life(site)])
        if listed is None:
            return None
        life = _life(fields) or await self.adopt(site)
        return life if life is not None and life.state is SiteState.ACTIVE else None

    async def adopt(self, site: str) -> Life | None:
        """Give a site that an earlier version founded its life, unless it has one; None: it was deleted meanwhile."""
        uid = new_uid()
        _, *fields = await self._connection.verb(verbs.AdoptSite(life=Keys(site).life, uid=uid))
        life = _life(fields)
        if life is not None and life.uid == uid and await self._connection.run("ZSCORE", SITES, site) is None:
            await self._end(Deletion(site, (await self.begin_deletion(site, force=True)).uid))
            return None
        return life

    async def lives(self, most: int, after: str, *, exact: bool = False) -> Page[tuple[str, Life | None]]:
        """Read a page of the listed sites with their lives; None for a life on a server that is away.

        Two round trips; in a cluster one to each shard for the lives. Sites that an earlier version founded get theirs.
        exact: what is due is read from the deadlines, and not from the note of it.
        """
        ids = await id_page(self._connection, SITES, most, after)
        commands = [command for site in ids.items for command in (_read_life(site), *(_read_due(site) * exact))]
        answers = await self._connection.read_by_server(commands)
        width = len(commands) // max(1, len(ids.items))
        lives: list[tuple[str, Life | None]] = []
        for number, site in enumerate(ids.items):
            fields, *deadlines = answers[number * width : (number + 1) * width]
            life = None if fields is None else _life(fields) or await self.adopt(site)
            if life is not None and deadlines and None not in deadlines:
                life = replace(life, due_ms=_earliest(*deadlines))
            lives.append((site, life))
        return Page(tuple(lives), ids.next)

    async def adopt_all(self) -> None:
        """Give every site that an earlier version founded its life."""
        async for _ in every_page(lambda after: self.lives(PAGE, after)):
            pass

    async def sites(self, most: int, after: str) -> Page[Site]:
        """List a page of sites by id."""
        page = await self.lives(most, after)
        sites = tuple(Site(site, life.uid if life else "") for site, life in page.items)
        return Page(sites, page.next, tuple(site.id for site in sites))

    async def found(self, site: str, founder: str, *, listed: bool) -> str | Deletion:
        """Begin a site's life, or with `listed` end its founding; return its uid, or a deletion that must end first.

        founder: names the call, so that it may be repeated. Raises SiteExists.
        """
        keys = Keys(site)
        answer = await self._connection.verb(
            verbs.FoundSite(
                life=keys.life,
                pools=keys.pools,
                agents=keys.agents,
                contacts=keys.contacts,
                roster=keys.roster,
                audit=keys.audit,
                said=say(site_name(site), None, {"created": True}) if listed else b"",
                uid=new_uid(),
                founder=founder,
                listed=int(listed),
            )
        )
        match answer:
            case [b"ok", uid]:
                return str(uid.decode())
            case [b"deleting", uid]:
                return Deletion(site, uid.decode())
            case _:
                raise SiteExists(site_name(site))

    async def put_on_list(self, site: str) -> None:
        """Put a site on the list of sites."""
        await self._connection.run("ZADD", SITES, 0, site)

    async def begin_deletion(self, site: str, *, force: bool) -> Deletion:
        """Begin a site's deletion, or join one that has begun; from then on no verb runs for the site.

        force: delete it with its agents. Raises SiteNotFound or SiteInUse.
        """
        keys = Keys(site)
        answer = await self._connection.verb(
            verbs.DeleteSite(
                life=keys.life,
                agents=keys.agents,
                roster=keys.roster,
                audit=keys.audit,
                said=say(site_name(site), None, {"deleted": True, "force": force}),
                site_id=site,
                force=int(force),
                events_kept=self._events_kept,
            )
        )
        match answer:
            case [b"ok", uid]:
                return Deletion(site, uid.decode())
            case [b"used", agents]:
                raise SiteInUse(site_name(site), int(agents))
            case _:
                raise SiteNotFound(site_name(site))

    async def deletions(self) -> list[Deletion]:
        """List the deletions that have not ended."""
        members = await self._connection.run("ZRANGE", DELETING, 0, -1)
        return [Deletion(*member.decode().split("|")) for member in members]

    async def delete(self, deletion: Deletion) -> None:
        """Remove every key of a site whose deletion has begun, slice by slice; any number of processes may do so.

        The life goes last: until then no verb runs for the site, and no new site gets its id.
        """
        member = f"{deletion.site}|{deletion.uid}"
        if await self._erase(deletion, ()):  # else another process was faster
            with suppress(StoreFull):  # then the site stays on the list of sites, and its life says that it is deleted
                # First onto this list: a process that finds it there goes on where this one was cut off.
                await self._connection.run("ZADD", DELETING, 0, member)
                await self._take_off_list(deletion)
            while await self._erase_all(deletion):
                # Again until nothing is found: an earlier version's process may have written during the scan.
                pass
            await self._take_off_list(deletion)
            await self._end(deletion)
        await self._connection.run("ZREM", DELETING, member)

    async def lead(self, process: str, lease_ms: int) -> bool:
        """Take or renew the lease of the process that wakes sites; return whether this process has it."""
        taken, leader = await self._connection.pipeline([("SET", WAKER, process, "NX", "PX", lease_ms), ("GET", WAKER)])
        if not taken and leader == process.encode():
            await self._connection.run("PEXPIRE", WAKER, lease_ms)
        return bool(leader == process.encode())

    async def next_due(self, site: str) -> int | None:
        """Return when something of the site is due, None for nothing, and note that in its life."""
        keys = Keys(site)
        _, at_ms = await self._connection.verb(
            verbs.NextDue(life=keys.life, due=keys.due, timers=keys.timers, queue=keys.queue)
        )
        return int(at_ms) if at_ms else None

    async def _take_off_list(self, deletion: Deletion) -> None:
        await self._connection.run("ZREM", SITES, deletion.site)
        life = _life(await self._connection.run(*_read_life(deletion.site)))
        if life is not None and life.uid != deletion.uid:
            # Meanwhile another process ended the deletion, and a new site has the id.
            await self.put_on_list(deletion.site)

    async def _erase_all(self, deletion: Deletion) -> bool:
        """Remove the keys that one scan finds, but the life; return whether there may be more."""
        keys, found = Keys(deletion.site), False
        async for names in self._connection.scan(keys.pattern):
            doomed = [name for name in (key.decode() for key in names) if name != keys.life]
            found = found or bool(doomed)
            for start in range(0, len(doomed), SLICE):
                if not await self._erase(deletion, doomed[start : start + SLICE]):
                    return False
        return found

    async def _end(self, deletion: Deletion) -> None:
        await self._erase(deletion, (), last=True)

    async def _erase(self, deletion: Deletion, doomed: Sequence[str], *, last: bool = False) -> bool:
        """Remove keys, and with `last` the life; return whether this life is still being deleted."""
        answer = await self._connection.verb(
            verbs.Erase(
                life=Keys(deletion.site).life,
                uid=deletion.uid,
                last=int(last),
                doomed=[verbs.DoomedKey(key=key) for key in doomed],
            )
        )
        return bool(answer[0] == b"ok")


def _read_life(site: str) -> tuple[str, ...]:
    return ("HMGET", Keys(site).life, "uid", "state", "due")


def _read_due(site: str) -> tuple[tuple[Any, ...], ...]:
    keys = Keys(site)
    first = (0, 0, "WITHSCORES")
    return ("ZRANGE", keys.due, *first), ("ZRANGE", keys.timers, *first), ("EXISTS", keys.queue)


def _earliest(due: Sequence[Any], timers: Sequence[Any], waits: int) -> int | None:
    """Return when something is due by the answers to `_read_due`: a contact that waits is due at once."""
    if waits:
        return 0
    return min((int(at) for _, at in (*pairs_of(due), *pairs_of(timers))), default=None)


def _life(fields: Sequence[Any]) -> Life | None:
    """Return the life of the fields uid, state and due; None where there is none."""
    if not fields or fields[0] is None:
        return None
    uid, state, due = fields
    return Life(uid.decode(), SiteState(state.decode()), int(due) if due else None)
