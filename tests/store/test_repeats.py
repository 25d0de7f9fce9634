"""Calls that run twice, and a store that lost the verbs."""

from __future__ import annotations

from typing import Any

import pytest

from matcher.errors import SiteExists
from matcher.model.lifecycle import AgentStatus
from matcher.store.codecs import fields_of
from matcher.store.redis import functions
from matcher.store.redis.client import StoreClient
from matcher.store.redis.verb_call import VerbCall
from matcher.store.reservations import Full, Refusal, Refused, Replayed, Reserved
from tests.store.access import PRODUCT, Admin, as_user
from tests.store.stage import LONG_MS, Stage


class Repeating(StoreClient):
    """Client that runs every verb twice and gives the second answer, as redis-py does if the first reply is lost."""

    async def verb(self, call: VerbCall) -> list[Any]:
        """Run a verb twice."""
        await super().verb(call)
        return await super().verb(call)


@pytest.fixture
async def repeating(embedded_url: str, plain_stage: Stage) -> Stage:
    """Give the site of `plain_stage`, where every verb runs twice."""
    return Stage(Repeating(as_user(embedded_url, PRODUCT)), plain_stage.site)


async def test_a_reserve_is_one_round_trip_whatever_it_answers(plain_stage: Stage) -> None:
    """Reserved, replayed, full, live and reused: one call to the store each."""
    stage = plain_stage
    await stage.put("ann", 2)
    claim = stage.claim("ann", contact="c", request_id="q")

    async def trips(*candidates: str, **changes: str) -> object:
        before = stage.connection.round_trips
        answer = await stage.reserve(stage.claim(*candidates, **changes) if changes else claim)
        assert stage.connection.round_trips == before + 1
        return type(answer) if isinstance(answer, Reserved | Replayed) else answer

    assert await trips() is Reserved
    assert await trips() is Replayed
    assert await trips("ann", contact="c") == Refused(Refusal.LIVE, claim.claim.reservation)
    assert await trips("ann", request_id="q", digest="0b" * 16) == Refused(Refusal.REUSED)
    assert await trips("ann", contact="d") is Reserved
    assert isinstance(await trips("ann", contact="e"), Full)
    assert isinstance(await trips(contact="f"), Full)


async def test_a_repeated_reserve_makes_one_hold_and_names_it(repeating: Stage, plain_stage: Stage) -> None:
    """The second run finds the first: the same reservation, one hold, one event."""
    await plain_stage.put("ann", 5)
    told = await plain_stage.ends()
    claim = repeating.claim("ann")
    assert await repeating.reserve(claim) == Replayed(
        claim.claim.reservation, claim.claim.decision, claim.claim.contact
    )
    assert await plain_stage.held_by("ann") == [claim.claim.reservation]
    # The hold and the contact's step.
    assert await plain_stage.ends() == (told[0], told[1] + 2)
    await repeating.connection.close()


async def test_repeated_transitions_happen_once(repeating: Stage, plain_stage: Stage) -> None:
    """Accept, decline, cancel and complete that run twice answer as if they had run once, and write one event each."""
    stage, routing = plain_stage, repeating.routing
    await stage.put("ann", 5)
    held = await stage.hold("ann")
    accepted = await routing.accept(stage.reference(held), held.fence, LONG_MS)
    assert accepted == await stage.reservation(held.id)
    wrapping = await routing.complete(stage.reference(held), held.fence, LONG_MS)
    assert wrapping.state == "WRAPPING"
    told = await stage.ends()
    assert await routing.complete(stage.reference(held), held.fence, LONG_MS) == wrapping
    done = await routing.end_wrap_up(stage.reference(held), held.fence)
    assert done.state == "COMPLETED"
    held_next = await stage.hold("ann")
    declined = (await routing.decline(stage.reference(held_next), held_next.fence, "lunch", None)).reservation
    assert (declined.state, declined.decline_reason) == ("DECLINED", "lunch")
    canceled = await routing.cancel(stage.reference(one := await stage.hold("ann")), one.fence)
    assert canceled.state == "CANCELED"
    # Three holds released, two made; four steps, because the wrap-up is no step of the contact.
    assert await stage.ends() == (told[0], told[1] + 9)
    assert await stage.held_by("ann") == []
    await repeating.connection.close()


async def test_repeated_writes_of_agents_and_pools_happen_once(repeating: Stage, plain_stage: Stage) -> None:
    """A create that ran twice is one agent and no conflict; a status is one change."""
    told = await plain_stage.ends()
    written = await repeating.put("ann", expected=0)
    assert written == await plain_stage.agent("ann")
    changed = await repeating.put("ann", 2, expected=written.version)
    assert changed == await plain_stage.agent("ann")
    away = await repeating.roster.put_status(plain_stage.site, "ann", AgentStatus.OFFLINE)
    assert away == await plain_stage.agent("ann")
    assert await plain_stage.ends() == (told[0] + 3, told[1])
    await repeating.connection.close()


async def test_a_store_that_lost_the_verbs_gets_them_again_with_the_next_call(plain_stage: Stage, admin: Admin) -> None:
    """FUNCTION FLUSH, or a store restarted empty: the next reserve works, and the one after is one round trip."""
    await plain_stage.put("ann", 5)
    await admin.execute_command("FUNCTION FLUSH")
    await plain_stage.hold("ann")
    before = plain_stage.connection.round_trips
    await plain_stage.hold("ann")
    assert plain_stage.connection.round_trips == before + 1
    assert len(await plain_stage.held_by("ann")) == 2


async def test_another_version_of_the_verbs_lives_beside_this_one(
    plain_stage: Stage, admin: Admin, embedded_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While servers of two versions share a store, each calls its own library."""
    await plain_stage.put("ann", 5)
    with monkeypatch.context() as patch:
        patch.setattr(functions, "digest", lambda: "00000000")
        functions.function.cache_clear()
        other = StoreClient(as_user(embedded_url, PRODUCT))
        await other.start()
        await Stage(other, plain_stage.site).hold("ann")
        await other.close()
    functions.function.cache_clear()
    await plain_stage.hold("ann")
    listed = {fields_of(one)["library_name"] for one in await admin.execute_command("FUNCTION LIST")}
    assert {b"matcher_00000000", f"matcher_{functions.digest()}".encode()} <= listed
    await admin.execute_command("FUNCTION DELETE", "matcher_00000000")
    assert len(await plain_stage.held_by("ann")) == 2


async def test_replicas_share_one_secret(product: StoreClient) -> None:
    """The first process makes it, the later ones read it."""
    first = await product.shared_secret(b"a" * 32)
    assert await product.shared_secret(b"b" * 32) == first


async def test_a_site_whose_creation_is_repeated_exists_once_and_only_for_its_creator(
    repeating: Stage, plain_stage: Stage
) -> None:
    """The second run finds what the first wrote; another creation of the site is told that it exists."""
    name = f"{plain_stage.site}-new"
    await repeating.sites.found(name, "first", listed=False)
    await repeating.sites.put_on_list(name)
    assert await repeating.sites.found(name, "first", listed=True) == await repeating.sites.found(
        name, "first", listed=True
    )
    assert await plain_stage.sites.living(name)
    with pytest.raises(SiteExists):
        await repeating.sites.found(name, "second", listed=False)
    await plain_stage.sites.delete(await plain_stage.sites.begin_deletion(name, force=False))
    await repeating.connection.close()
