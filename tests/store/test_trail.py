"""The audit trail: every change is on record once, and a hand that touches the record is found."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from matcher.auth.principal import Grant, Principal, PrincipalKind, Role, set_principal
from matcher.model import PoolPolicy
from matcher.model.lifecycle import AgentStatus
from matcher.model.trail import Chained, Check, Head, Verdict, verify
from matcher.services.access_keys import AccessKeyService
from matcher.services.site_removal import SiteRemoval
from matcher.services.trail_follower import HEAD_SECONDS, TrailFollower, TrailObserver
from matcher.store.access_keys import AccessKeyStore
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.keys import TRAIL, TRAIL_CLEAR, Keys
from matcher.store.redis.client import StoreClient
from matcher.store.sites import Deletion, SiteStore
from matcher.store.trail import AuditEntry, TrailStore
from matcher.telemetry import begin_call
from tests.store.stage import Stage

KEYS = ServiceKeys.of_secret(b"k" * 32)


@pytest.fixture
async def client() -> AsyncIterator[StoreClient]:
    """Give a client of a store of the test's own: the trail is one for all sites of a store."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        store = await EmbeddedStore.open(EmbeddedSettings(Path(folder)))
        client = StoreClient(store.url)
        await client.start()
        yield client
        await client.close()
        await store.close()


class Trail:
    """A site, the follower of its trail, and who calls."""

    def __init__(self, client: StoreClient, stage: Stage) -> None:
        self.client, self.stage, self.store = client, stage, TrailStore(client)
        self.follower = TrailFollower(self.store, SiteStore(client, 100), KEYS)

    def call(self, method: str, principal: str = "ops", *grants: Grant) -> None:
        """Begin a call."""
        ids = begin_call([("x-request-id", "r-1")])
        ids.method, ids.peer = f"/matcher.v1.RosterService/{method}", lambda: "ipv4:10.0.0.7:51000"
        set_principal(Principal(principal, PrincipalKind.KEY, grants or (Grant(Role.ADMIN),)))

    async def records(self) -> list[Chained]:
        """Chain what waits, and return the chain."""
        await self.follower.follow()
        return [record async for record in self.store.records()]

    async def verdict(self, *noted: Head) -> Verdict:
        """Check the chain as it is stored."""
        state = await self.store.state()
        return verify([one async for one in self.store.records()], KEYS.to_check_chain, state.head, *noted)

    async def made(self) -> list[Chained]:
        """Make four changes."""
        self.call("CreateAgent")
        await self.stage.put("ann")
        await self.stage.put("bob")
        self.call("SetAgentStatus", "lead")
        await self.stage.roster.put_status(self.stage.site, "ann", AgentStatus.AWAY)
        self.call("DeleteAgent")
        await self.stage.roster.delete_agent(self.stage.site, "bob", expected=None, pools=("default",))
        return await self.records()


@pytest.fixture
async def trail(client: StoreClient) -> Trail:
    """Give a trail that already has the pool of its site."""
    stage = Stage(client)
    await stage.set_up()
    return Trail(client, stage)


def said(record: Chained) -> tuple[str, str, str]:
    """Return the method, the principal and the name of a record."""
    told = record.record()
    assert told is not None
    return told.method.rpartition("/")[2], told.principal, record.clear["name"][1]


async def test_a_record_says_who_changed_what_and_how(trail: Trail) -> None:
    """Principal, method, request id, peer, name and the changed fields, before and after."""
    *_, ann, _, away, _ = await trail.made()
    site = trail.stage.site
    assert said(ann) == ("CreateAgent", "key ops", f"sites/{site}/agents/ann")
    assert said(away) == ("SetAgentStatus", "key lead", f"sites/{site}/agents/ann")
    record = away.record()
    assert record is not None
    assert (record.request, record.fields, away.clear["peer"][1]) == ("r-1", ("status",), "ipv4:10.0.0.7:51000")
    assert msgspec.json.decode(away.clear["field.status"][1]) == ["ONLINE", "AWAY"]
    assert b"ann" not in away.body
    assert b"10.0.0.7" not in away.body


async def test_a_change_is_chained_once_however_often_the_follower_looks(trail: Trail) -> None:
    """Also where a follower chained a batch and died before it trimmed the source."""
    first = await trail.made()
    trim, trail.store.trim = trail.store.trim, _nothing  # type: ignore[method-assign,assignment]
    await trail.stage.roster.put_pool(trail.stage.site, "night", PoolPolicy(), 0)
    before = [one.number for one in await _drained_once(trail)]
    trail.store.trim = trim  # type: ignore[method-assign]
    after = await trail.records()
    assert [one.number for one in after] == before == list(range(1, len(first) + 2))
    assert await trail.store.waiting([trail.stage.site]) == []


async def test_two_followers_at_once_never_fork_the_chain(trail: Trail) -> None:
    """The second is refused and takes the head as it is."""
    await trail.made()
    state = await trail.store.state()
    last = [one async for one in trail.store.records()][-1]
    assert not await trail.store.append(Head(state.head.number - 1), [last], "x", "1|")
    assert (await trail.verdict()).flaws == ()


async def test_what_two_processes_drain_at_once_is_chained_once_and_nothing_counts_as_lost(trail: Trail) -> None:
    """A deletion drains its site beside the follower: one of them has read entries that the other chains and trims."""
    await trail.made()
    store, other = TrailStore(trail.stage.connection), trail.follower
    read, site = store.entries, trail.stage.site

    async def overtaken(of_site: str) -> tuple[str, list[AuditEntry]]:
        found = await read(of_site)
        if found[1]:
            await trail.stage.put("late-" + agent)
            await other.drain(of_site)
        return found

    store.entries = overtaken  # type: ignore[method-assign,assignment]
    slow = TrailFollower(store, SiteStore(trail.stage.connection, 100), KEYS)
    before = await trail.records()
    for agent in ("cid", "dee"):
        await trail.stage.put(agent)
        await slow.drain(site)
    await trail.stage.put("eve")
    records = (await trail.records())[len(before) :]
    assert [said(one)[2].rpartition("/")[2] for one in records] == ["cid", "late-cid", "dee", "late-dee", "eve"]
    assert [record.lost for one in records if (record := one.record()) is not None] == [0] * 5


async def test_an_agent_s_own_status_is_not_on_record(trail: Trail) -> None:
    """What a desk says of its own agent is no change by another; what a supervisor says is."""
    await trail.made()
    count = len(await trail.records())
    trail.call("SetAgentStatus", "desk", Grant(Role.AGENT, agent="ann"))
    await trail.stage.roster.put_status(trail.stage.site, "ann", AgentStatus.ONLINE)
    assert len(await trail.records()) == count
    trail.call("SetAgentStatus", "desk", Grant(Role.AGENT, agent="bob"))
    await trail.stage.roster.put_status(trail.stage.site, "ann", AgentStatus.AWAY)
    assert len(await trail.records()) == count + 1


async def test_a_status_set_by_another_is_on_record_with_what_it_was_before(trail: Trail) -> None:
    """The status and its reason before and after, in any writing, as the store had them in that moment."""
    await trail.made()
    for status, reason in (
        (AgentStatus.AWAY, "déjeuner “chez/moi” 中"),
        (AgentStatus.AWAY, "training"),
        (AgentStatus.ONLINE, ""),
    ):
        trail.call("SetAgentStatus", "lead")
        await trail.stage.roster.put_status(trail.stage.site, "ann", status, reason=reason)
    noted = [
        {name: msgspec.json.decode(value[1]) for name, value in record.clear.items() if name.startswith("field.")}
        for record in (await trail.records())[-3:]
    ]
    assert noted == [
        {"field.status": ["AWAY", "AWAY"], "field.status_reason": [None, "déjeuner “chez/moi” 中"]},
        {"field.status": ["AWAY", "AWAY"], "field.status_reason": ["déjeuner “chez/moi” 中", "training"]},
        {"field.status": ["AWAY", "ONLINE"], "field.status_reason": ["training", None]},
    ]
    assert (await trail.verdict()).flaws == ()


async def test_what_changes_nothing_is_not_on_record(trail: Trail) -> None:
    """A refused call and the same status again write nothing."""
    await trail.made()
    count = len(await trail.records())
    trail.call("SetAgentStatus")
    await trail.stage.roster.put_status(trail.stage.site, "ann", AgentStatus.AWAY)
    assert len(await trail.records()) == count


async def test_an_untouched_chain_has_no_flaw(trail: Trail) -> None:
    """It reaches the head of the store, and one that was noted before."""
    made = await trail.made()
    noted = Head(made[1].number, made[1].mac)
    verdict = await trail.verdict(noted)
    assert (verdict.flaws, verdict.records, verdict.first) == ((), len(made), 1)


async def test_a_changed_record_is_found_at_its_place(trail: Trail) -> None:
    """Another principal in the third record."""
    await trail.made()
    await _rewrite(trail, lambda records: _with(records, 2, records[2][1].replace(b"key", b"kex", 1)))
    assert [flaw.number for flaw in (await trail.verdict()).flaws] == [3]


async def test_a_missing_record_is_found_at_its_place(trail: Trail) -> None:
    """The second record is gone."""
    await trail.made()
    await _rewrite(trail, lambda records: records[:1] + records[2:])
    flaws = (await trail.verdict()).flaws
    assert (flaws[0].number, flaws[0].why) == (2, "records 2 to 2 are missing")


async def test_records_that_changed_places_are_found(trail: Trail) -> None:
    """The second and the third record under each other's numbers."""
    await trail.made()
    await _rewrite(trail, lambda records: _with(_with(records, 1, records[2][1]), 2, records[1][1]))
    assert {flaw.number for flaw in (await trail.verdict()).flaws} >= {2, 3}


async def test_a_cut_tail_is_found_by_the_head_of_the_store_and_by_one_from_the_log(trail: Trail) -> None:
    """The last two records are gone; so is the head, in the second case."""
    made = await trail.made()
    await _rewrite(trail, lambda records: records[:-2])
    cut = len(made) - 1
    assert [flaw.number for flaw in (await trail.verdict()).flaws] == [cut]
    records = [one async for one in trail.store.records()]
    assert verify(records, KEYS.to_check_chain, Head(records[-1].number, records[-1].mac)).flaws == ()
    noted = Head(made[-1].number, made[-1].mac)
    assert [flaw.number for flaw in verify(records, KEYS.to_check_chain, noted).flaws] == [cut]


async def test_a_changed_value_is_found_and_a_forgotten_one_is_none(trail: Trail) -> None:
    """The clear beside the chain is held by its digests; where it is missing, the chain still holds."""
    made = await trail.made()
    values = dict(made[2].clear)
    await trail.store.put_clear(3, values | {"name": (values["name"][0], "sites/x/agents/eve")})
    assert [(flaw.number, flaw.why) for flaw in (await trail.verdict()).flaws] == [
        (3, "its value of name is not the one that was chained")
    ]
    await trail.client.run("HDEL", TRAIL_CLEAR, 3)
    verdict = await trail.verdict()
    assert (verdict.flaws, verdict.forgotten) == ((), 1)


async def test_a_chain_by_another_key_is_no_chain(trail: Trail) -> None:
    """An attacker who may write both stores, but has no keyring, cannot make a record."""
    await trail.made()
    other = ServiceKeys.of_secret(b"x" * 32)
    records = [one async for one in trail.store.records()]
    assert len(verify(records, other.to_check_chain).flaws) == len(records)


async def test_a_chain_that_is_checked_in_slices_has_its_flaws_at_the_same_places(trail: Trail) -> None:
    """A trail of years is never in memory as a whole."""
    records = await trail.made()
    cut = [*records[:2], *records[3:]]
    for chain in (records, cut):
        for size in (1, 2, 3):
            check = Check(KEYS.to_check_chain, Head(99, "of the log"))
            for start in range(0, len(chain), size):
                check.add(chain[start : start + size])
            assert check.verdict() == verify(chain, KEYS.to_check_chain, Head(99, "of the log"))
    pages = [await trail.store.page(0), await trail.store.page(3), await trail.store.page(len(records))]
    assert [[one.number for one in page] for page in pages] == [
        list(range(1, len(records) + 1)),
        list(range(4, len(records) + 1)),
        [],
    ]


async def test_the_head_goes_to_the_log_and_the_metric_once_an_hour(trail: Trail) -> None:
    """A check takes the head from there; a hand that cuts the tail later cannot cut the log."""
    now, told = 50.0, list[int]()
    observer = TrailObserver(on_head=told.append)
    follower = TrailFollower(trail.store, SiteStore(trail.client, 100), KEYS, observer, clock=lambda: now)
    with capture_logs() as lines:
        await follower._tell_head()
        await trail.made()
        now += HEAD_SECONDS - 1
        await follower._tell_head()
        now += 1
        await follower._tell_head()
    head = (await trail.store.state()).head
    heads = [line["head"] for line in lines if line["event"] == "audit head"]
    assert heads[1:] == [str(head)]
    assert told[1:] == [head.number]
    number, _, mac = heads[1].partition(":")
    assert (await trail.verdict(Head(int(number), mac))).flaws == ()


async def test_what_a_full_source_lost_is_on_record(trail: Trail) -> None:
    """The first entry after the gap says how many are missing."""
    await trail.made()
    await trail.stage.put("cid")
    await trail.stage.put("dan")
    keys = Keys(trail.stage.site)
    first = (await trail.client.run("XRANGE", keys.audit, "-", "+", "COUNT", 1))[0][0]
    await trail.client.run("XDEL", keys.audit, first)
    record = (await trail.records())[-1].record()
    assert record is not None
    assert record.lost == 1
    assert (await trail.verdict()).lost == 1


async def test_who_is_forgotten_goes_from_the_clear_and_the_chain_still_holds(trail: Trail) -> None:
    """All of the agent's own records, and the field of another agent that names the person."""
    await trail.made()
    site = trail.stage.site
    await trail.follower.note(site, f"sites/{site}/agents/ann")
    await trail.follower.forget(site, {f"sites/{site}/agents/ann"})
    records = await trail.records()
    assert [one for one in records if "agents/ann" in str(one.clear)] == []
    assert [said(one)[2] for one in records if one.clear][-1] == f"sites/{site}/agents/bob"
    verdict = await trail.verdict()
    assert (verdict.flaws, verdict.forgotten) == ((), 3)


async def test_what_is_done_to_a_customer_is_on_record_without_a_word_or_a_handle(trail: Trail) -> None:
    """A link that a caller asked for is; that a routed customer is new is not."""
    await trail.made()
    count = len(await trail.records())
    trail.call("LinkCustomers")
    await trail.stage.customers.link(trail.stage.site, ["ada@example.org", "+49 30 1"])
    record = (await trail.records())[count]
    assert said(record)[0] == "LinkCustomers"
    assert "example.org" not in str(record.clear) + record.body.decode()
    await trail.stage.customers.met(trail.stage.site, "new@example.org", 1_000)
    assert len(await trail.records()) == count + 1


async def test_a_key_that_is_made_and_revoked_is_on_record_without_its_secret(trail: Trail) -> None:
    """Two records that name the key; neither has its digest."""
    await trail.made()
    count = len(await trail.records())
    keys = AccessKeyService(AccessKeyStore(trail.client))
    trail.call("CreateKey")
    key, text = await keys.create("desk", (Grant(Role.PLATFORM),))
    trail.call("RevokeKey")
    await keys.revoke(key_id=key.id)
    made, revoked = (await trail.records())[count:]
    assert [said(one)[0] for one in (made, revoked)] == ["CreateKey", "RevokeKey"]
    record = revoked.record()
    assert record is not None
    assert record.fields == (f"keys/{key.id}",)
    shown = str(made.clear) + str(revoked.clear) + made.body.decode() + revoked.body.decode()
    assert text not in shown
    assert key.digest.hex() not in shown


async def test_the_record_of_a_site_outlives_the_site(trail: Trail) -> None:
    """Its last changes and its deletion are chained before its keys go."""
    await trail.made()
    trail.call("DeleteSite")

    async def drain(deletion: Deletion) -> None:
        await trail.follower.drain(deletion.site)

    removal = SiteRemoval(trail.stage.sites, on_removal=drain)
    await removal.remove(await trail.stage.sites.begin_deletion(trail.stage.site, force=True))
    last = [one async for one in trail.store.records()][-1]
    assert said(last) == ("DeleteSite", "key ops", f"sites/{trail.stage.site}")
    assert await trail.client.run("EXISTS", Keys(trail.stage.site).audit) == 0
    assert (await trail.verdict()).flaws == ()


async def _nothing(_site: str, _last: object) -> None:
    return None


async def _drained_once(trail: Trail) -> list[Chained]:
    """Chain what waits without trimming it; the follower gives up after its tries."""
    await trail.follower.drain(trail.stage.site)
    return [one async for one in trail.store.records()]


def _with(records: list[tuple[bytes, bytes]], place: int, text: bytes) -> list[tuple[bytes, bytes]]:
    return [*records[:place], (records[place][0], text), *records[place + 1 :]]


async def _rewrite(trail: Trail, edit: Callable[[list[tuple[bytes, bytes]]], list[tuple[bytes, bytes]]]) -> None:
    """Rewrite the stored chain, as somebody who may write the store."""
    records = [(number, said[b"e"]) for number, said in await trail.client.run("XRANGE", TRAIL, "-", "+")]
    await trail.client.run("DEL", TRAIL)
    for number, text in edit(records):
        await trail.client.run("XADD", TRAIL, number, "e", text)
