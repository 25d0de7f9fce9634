"""The life of a site in the store: its founding, what is due in it, and its deletion, each cut off anywhere."""

from __future__ import annotations

import asyncio
import secrets
from typing import NoReturn

import pytest

from matcher.errors import SiteDeleting, SiteExists, SiteInUse, SiteNotFound
from matcher.model import PoolPolicy, Site
from matcher.model.lifecycle import AgentStatus
from matcher.replica.site_registry import SiteRegistry
from matcher.services.site_removal import SiteRemoval
from matcher.services.sites import SiteService
from matcher.store.keys import DELETING, SITES, Keys
from matcher.store.redis.client import StoreClient
from matcher.store.redis.functions import function
from matcher.store.redis.verb_call import layout_of
from matcher.store.sites import Deletion, Life, SiteState
from matcher.store.verbs import VERBS
from tests.people import wait_until
from tests.store.stage import LONG_MS, Stage


def no_replica(_: str) -> NoReturn:
    """Fail: these tests follow no site."""
    raise AssertionError("a site was followed")


def service_of(stage: Stage) -> SiteService:
    """Return the service of sites on the store of a stage."""
    removal = SiteRemoval(stage.sites)
    return SiteService(stage.sites, stage.roster, SiteRegistry(stage.sites, no_replica), removal)


async def refused(stage: Stage, verb: str) -> bool:
    """Return whether the library refuses a verb for the site, whatever else the call says."""
    call = VERBS[verb]
    layout = layout_of(call)
    own = (layout.lists[0].layout if layout.of_calls else layout).keys.lua
    keys = [stage.keys.life if name == "life" else stage.keys.contact(f"no-{name}") for name in own]
    answer = await stage.connection.run("FCALL", function(verb), len(keys), *keys, *["1"] * 60)
    return bool(answer == [b"no_site"])


@pytest.mark.parametrize("verb", [verb for verb, call in VERBS.items() if call.in_a_life])
async def test_no_verb_runs_for_a_site_that_is_being_deleted_or_is_gone(plain_stage: Stage, verb: str) -> None:
    """A call that was under way writes nothing into the site, while it is deleted and after that."""
    stage = plain_stage
    await stage.put("ann")
    deletion = await stage.sites.begin_deletion(stage.site, force=True)
    before = await stage.everything()
    assert await refused(stage, verb)
    assert await stage.everything() == before
    await stage.sites.delete(deletion)
    assert await refused(stage, verb)
    assert await stage.everything() == {}


async def test_a_route_under_way_is_answered_that_the_site_is_gone(plain_stage: Stage) -> None:
    """The reserve was asked for before the deletion and arrives after it: it holds nobody in the site or the next."""
    await plain_stage.put("ann")
    asked = plain_stage.claim("ann")
    await plain_stage.clear()
    with pytest.raises(SiteNotFound):
        await plain_stage.reserve(asked)
    assert await plain_stage.everything() == {}
    await plain_stage.set_up()
    assert await plain_stage.roster.agents(plain_stage.site, ["ann"]) == [None]


async def test_a_site_has_the_same_uid_all_its_life_and_the_next_one_another(plain_stage: Stage) -> None:
    """Created, read, listed: one uid. After the deletion the name is a new site."""
    service, site = service_of(plain_stage), f"u{secrets.token_hex(6)}"
    made = await service.create_site(site)
    assert made == Site(site, made.uid)
    assert await plain_stage.sites.living(site) == Life(made.uid, SiteState.ACTIVE, None)
    assert made in (await service.sites(1_000, "")).items
    with pytest.raises(SiteExists):
        await service.create_site(site)
    await service.delete_site(site, force=False)
    assert (await service.create_site(site)).uid != made.uid
    await service.delete_site(site, force=False)


async def test_of_many_founders_at_once_one_founds_the_site(plain_stage: Stage) -> None:
    """Ten calls with one id: one is answered, nine hear that the site exists."""
    site = f"u{secrets.token_hex(6)}"
    ends = await asyncio.gather(*(service_of(plain_stage).create_site(site) for _ in range(10)), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Site", *["SiteExists"] * 9]
    await service_of(plain_stage).delete_site(site, force=False)


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_a_founding_that_was_cut_off_goes_on_with_the_next_call(plain_stage: Stage, steps: int) -> None:
    """A process died after the life, the default pool, or the entry of the list: the site can be created."""
    stage, site = plain_stage, f"u{secrets.token_hex(6)}"
    uid = await stage.sites.found(site, "died", listed=False)
    if steps > 1:
        await stage.roster.put_pool(site, "default", PoolPolicy(), 0)
    if steps > 2:
        await stage.sites.put_on_list(site)
    assert await service_of(stage).create_site(site) == Site(site, str(uid))
    assert await stage.roster.pool(site, "default")
    await service_of(stage).delete_site(site, force=False)


async def test_a_founding_that_is_repeated_by_the_connection_is_one_founding(plain_stage: Stage) -> None:
    """Each of its verbs ran, and its answer was lost: the second run answers as the first did."""
    stage, site = plain_stage, f"u{secrets.token_hex(6)}"
    for listed in (False, True):
        assert await stage.sites.found(site, "f", listed=listed) == await stage.sites.found(site, "f", listed=listed)
    with pytest.raises(SiteExists):
        await stage.sites.found(site, "g", listed=False)
    await stage.sites.delete(await stage.sites.begin_deletion(site, force=False))


async def test_a_site_of_an_earlier_version_gets_its_life(plain_stage: Stage) -> None:
    """It has no life in the store: it is served, keeps its agents, cannot be created again, and can be deleted."""
    stage = plain_stage
    await stage.put("ann")
    await stage.raw("UNLINK", stage.keys.life)
    (life,) = [life for site, life in (await stage.sites.lives(1_000, "")).items if site == stage.site]
    # Nobody has noted what is due in it, so the waker looks.
    assert life == Life(life.uid if life else "", SiteState.ACTIVE, 0)
    assert await stage.sites.living(stage.site) == life
    with pytest.raises(SiteExists):
        await service_of(stage).create_site(stage.site)
    await stage.hold("ann")
    with pytest.raises(SiteInUse):
        await service_of(stage).delete_site(stage.site, force=False)
    await service_of(stage).delete_site(stage.site, force=True)
    assert await stage.everything() == {}


async def test_what_an_earlier_version_left_of_a_deletion_is_gone_before_the_id_is_used_again(
    plain_stage: Stage,
) -> None:
    """The former tenant's agents and contacts do not appear in the new site."""
    stage = plain_stage
    await stage.put("ann")
    await stage.line_up("c")
    await stage.raw("ZREM", SITES, stage.site)
    await stage.raw("UNLINK", stage.keys.life)
    await service_of(stage).create_site(stage.site)
    assert await stage.roster.agents(stage.site, ["ann"]) == [None]
    assert await stage.contacts.queue(stage.site) == []
    assert await stage.raw("ZRANGE", DELETING, 0, -1) == []


@pytest.mark.parametrize("slices", [0, 1, 2, 4])
async def test_a_deletion_that_was_cut_off_ends_with_the_next_process(plain_stage: Stage, slices: int) -> None:
    """After any slice: a later process finds the deletion, nothing is served, and a second run removes the site."""
    stage = plain_stage
    for number in range(40):
        await stage.put(f"a{number}")
        await stage.line_up(f"c{number}")
    deletion = await stage.sites.begin_deletion(stage.site, force=True)
    cut = CutOff(slices)
    with pytest.raises(asyncio.CancelledError):
        await cut.delete(stage, deletion)
    listed = [Deletion(site, life.uid) for site, life in (await stage.sites.lives(1_000, "")).items if life]
    assert deletion in [*listed, *await stage.sites.deletions()]
    assert await stage.sites.living(stage.site) is None
    assert len(await stage.everything()) > 1
    await stage.sites.delete(deletion)
    assert await stage.everything() == {}
    assert deletion not in await stage.sites.deletions()


class CutOff:
    """A process that dies after some slices of a deletion, 10 keys each."""

    def __init__(self, slices: int) -> None:
        self._left = slices

    async def delete(self, stage: Stage, deletion: Deletion) -> None:
        """Delete a site until the process dies."""
        sites = stage.sites
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("matcher.store.sites.SLICE", 10)
            erase = sites._erase

            async def erasing(deletion: Deletion, doomed: list[str], *, last: bool = False) -> bool:
                if not self._left:
                    raise asyncio.CancelledError
                self._left -= 1
                return await erase(deletion, doomed, last=last)

            patch.setattr(sites, "_erase", erasing)
            await sites.delete(deletion)


async def test_a_slow_process_removes_nothing_of_the_next_site_of_the_name(plain_stage: Stage) -> None:
    """Two processes delete; one is done, the id is used again, and only then the other one goes on."""
    stage = plain_stage
    await stage.put("ann")
    deletion = await stage.sites.begin_deletion(stage.site, force=True)
    await stage.sites.delete(deletion)
    await stage.set_up()
    await stage.put("bob")
    before = await stage.everything()
    await stage.sites.delete(deletion)
    assert await stage.everything() == before
    assert await stage.sites.living(stage.site)


async def test_a_site_with_agents_is_deleted_by_force_only(plain_stage: Stage) -> None:
    """The count and the deletion are one step: an agent who came in between is not lost."""
    stage = plain_stage
    await stage.put("ann")
    with pytest.raises(SiteInUse):
        await stage.sites.begin_deletion(stage.site, force=False)
    assert await stage.sites.living(stage.site)
    await stage.put("ann", status=AgentStatus.OFFLINE)
    deletion = await stage.sites.begin_deletion(stage.site, force=True)
    assert await stage.sites.begin_deletion(stage.site, force=False) == deletion
    await stage.sites.delete(deletion)
    with pytest.raises(SiteNotFound):
        await stage.sites.begin_deletion(stage.site, force=True)


async def test_a_founding_during_a_long_deletion_says_so(plain_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a bounded wait the caller hears SITE_DELETING, with the time after which to try again."""
    stage, service = plain_stage, service_of(plain_stage)
    await stage.put("ann")
    monkeypatch.setattr("matcher.services.sites.DELETING_SECONDS", 0.0)
    gate = asyncio.Event()
    erase = stage.sites._erase_all

    async def gated(deletion: Deletion) -> bool:
        await gate.wait()
        return await erase(deletion)

    monkeypatch.setattr(stage.sites, "_erase_all", gated)
    deleting = asyncio.create_task(service.delete_site(stage.site, force=True))

    async def begun() -> bool:
        return bool(await stage.sites.deletions())

    await wait_until(begun, "the deletion has begun")
    with pytest.raises(SiteDeleting) as failed:
        await service.create_site(stage.site)
    assert failed.value.retry_after_seconds
    gate.set()
    await deleting
    assert (await service.create_site(stage.site)).id == stage.site


async def test_what_is_due_next_is_noted_by_every_verb_and_made_exact_on_demand(lawful: Stage) -> None:
    """An offer, a heartbeat and a wait: the note is never later than the earliest of them."""
    stage = lawful

    async def noted() -> int | None:
        life = await stage.sites.living(stage.site)
        assert life is not None
        return life.due_ms

    await stage.put("ann", 5)
    assert await noted() is None
    offer = await stage.hold("ann", hold_ms=LONG_MS)
    assert await noted() == await stage.sites.next_due(stage.site) == offer.deadline_ms
    until, *_ = await stage.presence.beat(stage.site, "ann", LONG_MS // 2, LONG_MS)
    assert await noted() == await stage.sites.next_due(stage.site) == until
    await stage.line_up("c")
    waiting = await noted()
    assert waiting is not None
    assert waiting < until
    await stage.contacts.leave(stage.site, "c", "CANCELED")  # type: ignore[arg-type]
    assert await noted() == waiting, "only an earlier time is noted"
    assert await stage.sites.next_due(stage.site) == until
    assert await noted() == until


async def test_the_lives_of_a_thousand_sites_are_read_in_two_round_trips(product: StoreClient) -> None:
    """The list, and all lives in one pipeline."""
    stage = Stage(product)
    await stage.set_up()
    ids = [f"many{number:04}" for number in range(999)]
    await product.pipeline([("HSET", Keys(site).life, "uid", "u", "state", "ACTIVE") for site in ids])
    await product.pipeline([("ZADD", SITES, 0, site) for site in ids])
    before = product.round_trips
    page = await stage.sites.lives(1_000, "")
    assert product.round_trips == before + 2
    assert {site for site, life in page.items if life == Life("u", SiteState.ACTIVE, None)} >= set(ids[:900])
    await product.pipeline([("ZREM", SITES, site) for site in ids])
    await product.pipeline([("UNLINK", Keys(site).life) for site in ids])
