"""Praise: a customer's words reach the agent and who manages the agent, sealed in the store, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import grpc
import pytest
import redis.asyncio as redis

from matcher.client import MatcherCallError, MatcherClient
from matcher.store.embedded.files import StoreFiles
from matcher.v1 import customers_pb2
from matcher.v1 import feedback_pb2 as pb
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as routing
from tests.people import hire, person
from tests.processes import Server

SAIL = "I sail wooden boats."
BAKE = "I bake rye bread."
KIND = "Bea was so kind, and she knew what to do."


def managed(interest: str, manager: str) -> roster.Agent:
    """Return an agent with a manager."""
    agent = person(interest, most=9)
    agent.manager = manager
    return agent


async def served(client: MatcherClient, contact: str, agent: str, customer: str = "") -> None:
    """Let an agent serve a contact to its end."""
    others = [one async for one in client.agents()]
    answer = await client.route(
        "Hi.",
        contact_id=contact,
        customer=customer,
        auto_accept=True,
        excluded_agents=[one.name for one in others if not one.name.endswith(f"/{agent}")],
    )
    await client.complete(answer.reservation.name)


async def praise(client: MatcherClient, contact: str, words: str, source: str = "survey") -> pb.RecordOutcomeResponse:
    """Record praise alone."""
    return await client.record_outcome(contact, pb.Outcome(source=source), praise=words)


async def heard(stream: AsyncGenerator[pb.WatchPraiseResponse, None]) -> tuple[str, str]:
    """Return the next words of a stream, and the token after them."""
    async for answer in stream:
        if answer.HasField("praise"):
            return answer.praise.text, answer.resume_token
    raise AssertionError("the stream ended")


async def praise_keys(service: Server, site: str) -> dict[str, Any]:
    """Return what the store holds of a site's praise, by key."""
    async with redis.Redis(unix_socket_path=str(StoreFiles(service.data_dir).address()[0])) as store:
        found = {}
        async for key in store.scan_iter(f"m:{{{site}}}:praise*"):
            is_hash = await store.type(key) == b"hash"
            found[key.decode()] = await (store.hgetall(key) if is_hash else store.zrange(key, 0, -1))
        return found


async def test_praise_reaches_the_agent_and_the_manager_and_nobody_else(service: Server) -> None:
    """It is listed the latest first, by pages; another manager's list stays empty."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": managed(SAIL, "dana"), "tom": managed(BAKE, "dana"), "ann": managed(BAKE, "kim")})
        for contact, agent in (("c-1", "bea"), ("c-2", "tom"), ("c-3", "bea")):
            await served(client, contact, agent)
            answer = await praise(client, contact, f"Thank you for {contact}!")
            assert (list(answer.recorded), answer.praised_agent) == (["praise"], client.name("agents", agent))
        assert [words.text async for words in client.praise(agent="bea")] == [
            "Thank you for c-3!",
            "Thank you for c-1!",
        ]
        first = await client.list_praise(manager="dana", page_size=2)
        assert [(one.contact.rpartition("/")[2], one.agent.rpartition("/")[2]) for one in first.praise] == [
            ("c-3", "bea"),
            ("c-2", "tom"),
        ]
        rest = await client.list_praise(manager="dana", page_size=2, page_token=first.next_page_token)
        assert ([one.text for one in rest.praise], rest.next_page_token) == (["Thank you for c-1!"], "")
        assert [words async for words in client.praise(manager="kim")] == []
        days = first.praise[0].expire_time.seconds - first.praise[0].time.seconds
        assert days == 90 * 86_400
        await client.update_agent(roster.Agent(name="tom", manager="kim"))
        assert [words.text async for words in client.praise(manager="kim")] == ["Thank you for c-2!"]


async def test_a_watch_tells_praise_as_it_comes_and_resumes_without_a_gap(service: Server) -> None:
    """The manager's stream has that of all her agents; a token of the list goes on after the list."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": managed(SAIL, "dana"), "tom": managed(BAKE, "dana")})
        for contact, agent in (("c-1", "bea"), ("c-2", "tom"), ("c-3", "bea")):
            await served(client, contact, agent)
        listed = await client.list_praise(manager="dana")
        await praise(client, "c-1", "One.")
        async with (
            aclosing(client.watch_praise(manager="dana", resume_token=listed.resume_token)) as manager,
            aclosing(client.watch_praise(agent="bea")) as desk,
        ):
            assert not (await anext(desk)).HasField("praise"), "a sign of life comes first: the stream is open"
            text, token = await heard(manager)
            assert text == "One."
            await praise(client, "c-2", "Two.")
            await praise(client, "c-3", "Three.")
            assert [(await heard(manager))[0] for _ in range(2)] == ["Two.", "Three."]
            assert (await heard(desk))[0] == "Three.", "the desk began after the first, and the second is another's"
        async with aclosing(client.watch_praise(manager="dana", resume_token=token)) as again:
            assert [(await heard(again))[0] for _ in range(2)] == ["Two.", "Three."]


async def test_the_same_words_again_change_nothing_and_other_words_replace_them(service: Server) -> None:
    """A survey that is imported twice is one praise; its correction is told again."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": managed(SAIL, "dana")})
        await served(client, "c-1", "bea")
        assert list((await praise(client, "c-1", KIND)).recorded) == ["praise"]
        assert list((await praise(client, "c-1", KIND)).unchanged) == ["praise"]
        await praise(client, "c-1", "She was kind.")
        await praise(client, "c-1", "Five stars.", source="forum")
        assert [words.text async for words in client.praise(agent="bea")] == ["Five stars.", "She was kind."]
        checked = await client.record_outcome("c-1", pb.Outcome(source="qa"), praise="Hm.", validate_only=True)
        assert list(checked.recorded) == ["praise"]
        assert [words.text async for words in client.praise(agent="bea")] == ["Five stars.", "She was kind."]


async def test_criticism_and_words_without_the_customer_s_agreement_are_refused(service: Server) -> None:
    """Neither comes to the agent; who serves nobody's contact is praised by nobody."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": managed(SAIL, "dana")})
        await served(client, "c-1", "bea")
        for criticism in (
            pb.Outcome(source="survey", csat=2),
            pb.Outcome(source="survey", nps=6),
            pb.Outcome(source="survey", resolved=False),
            pb.Outcome(source="survey", recommended=pb.Recommended(recommendation=pb.WARNED)),
        ):
            with pytest.raises(MatcherCallError) as refused:
                await client.record_outcome("c-1", criticism, praise="She was rude.")
            assert [wrong.field for wrong in refused.value.violations] == ["praise"]
            assert "rude" not in str(refused.value)
        await client.route("Hi.", contact_id="offered")
        with pytest.raises(MatcherCallError) as unserved:
            await praise(client, "offered", KIND)
        assert (unserved.value.code, unserved.value.reason) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "CONTACT_UNSERVED",
        )
        with pytest.raises(MatcherCallError) as unknown:
            await praise(client, "nobody-s", KIND)
        assert unknown.value.reason == "CONTACT_NOT_FOUND"
        assert [words async for words in client.praise(agent="bea")] == []


async def test_praise_is_of_who_served_the_contact_last_and_not_of_a_new_person_of_the_id(service: Server) -> None:
    """An offer of a transfer that another agent declines changes nothing; a new agent of the id reads no praise."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": managed(SAIL, "dana"), "tom": managed(BAKE, "dana")})
        answer = await client.route("Hi.", contact_id="c-1", auto_accept=True, excluded_agents=["tom"])
        offer = await client.transfer("c-1", agent="tom", release=routing.ON_ACCEPT)
        await client.decline(offer.reservation.name)
        await client.complete(answer.reservation.name)
        assert (await praise(client, "c-1", KIND)).praised_agent.endswith("/bea")
        await client.delete_agent("bea")
        await hire(client, {"bea": managed(SAIL, "dana")})
        assert [words async for words in client.praise(agent="bea")] == []
        with pytest.raises(MatcherCallError) as gone:
            await praise(client, "c-1", "Still kind.")
        assert gone.value.reason == "AGENT_NOT_FOUND"


async def test_who_is_forgotten_leaves_no_praise(service: Server) -> None:
    """With the customer goes what the customer said, with the agent what was said of the agent."""
    site = await service.site()
    async with service.client(site) as client:
        await hire(client, {"bea": managed(SAIL, "dana"), "tom": managed(BAKE, "dana")})
        ann = await client.put_customer(customers_pb2.Customer(handles=["ann@mail", "ann@chat"]))
        for contact, agent, customer in (("c-1", "bea", "ann@chat"), ("c-2", "bea", ""), ("c-3", "tom", "")):
            await served(client, contact, agent, customer)
            await praise(client, contact, f"Thank you for {contact}!")
        await client.forget_customer(ann.name)
        assert [words.text async for words in client.praise(manager="dana")] == [
            "Thank you for c-3!",
            "Thank you for c-2!",
        ]
        await client.forget_agent("bea")
        assert [words.text async for words in client.praise(manager="dana")] == ["Thank you for c-3!"]
        assert len(await praise_keys(service, site)) == 2, "one praise, and the list of tom's"


async def test_the_store_has_no_word_of_praise_in_the_clear(service: Server) -> None:
    """What the store holds of it is sealed, and has an end."""
    site = await service.site()
    async with service.client(site) as client:
        await hire(client, {"bea": managed(SAIL, "dana")})
        await served(client, "c-1", "bea")
        await praise(client, "c-1", KIND)
        stored = await praise_keys(service, site)
    assert len(stored) == 2
    assert KIND[:12] not in str(stored)


async def test_praise_that_is_recorded_while_nobody_watches_is_told_to_all_who_come_back(service: Server) -> None:
    """Ten managers' streams with one token each hear the same."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": managed(SAIL, "dana")})
        await served(client, "c-1", "bea")
        token = (await client.list_praise(manager="dana")).resume_token
        await praise(client, "c-1", KIND)

        async def first() -> str:
            async with aclosing(client.watch_praise(manager="dana", resume_token=token)) as stream:
                return (await heard(stream))[0]

        assert await asyncio.gather(*(first() for _ in range(10))) == [KIND] * 10
