"""How a conversation ends, as a platform sees it: wrap-ups, repeats, and what is reported of whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person, wait_until
from tests.processes import Server

BEES = "The smoker for my bees arrived with a dent."
WRAP_UP = Duration(seconds=600)


async def team(client: MatcherClient, **policy: object) -> None:
    """Make the pool `care` with bea, who takes one chat, and with tom."""
    pool = await client.create_pool("care", roster.Pool(**policy))  # type: ignore[arg-type]
    await hire(client, {"bea": person("I keep honey bees.", pools=[pool.name])})
    await hire(client, {"tom": person("I photograph steam trains.", pools=[pool.name])})


async def bea_talks(client: MatcherClient, **route: object) -> pb.Reservation:
    """Let bea talk with the customer of the contact c."""
    answer = await client.route(BEES, pool="care", contact_id="c", auto_accept=True, **route)  # type: ignore[arg-type]
    assert answer.reservation.agent == client.name("agents", "bea")
    return answer.reservation


async def nobody_comes_to_bea(client: MatcherClient) -> bool:
    """Tell whether a message that suits bea best goes to nobody, with tom excluded."""
    answer = await client.route(BEES, pool="care", excluded_agents=["tom"])
    return answer.unmatched.reason == pb.CONSTRAINT_CAPACITY


async def test_the_next_customer_waits_for_the_wrap_up_after_a_transfer(service: Server) -> None:
    """Bea hands on and wraps up, by the pool's wrap_up_duration; completing hers leaves the contact to tom."""
    async with service.client(await service.site()) as client:
        await team(client, wrap_up_duration=WRAP_UP)
        held = await bea_talks(client)
        moved = (await client.transfer("c")).reservation
        assert moved.agent == client.name("agents", "tom")
        wrapping = await client.reservation(held.name)
        assert (wrapping.state, wrapping.ends_as) == (pb.WRAPPING, pb.COMPLETED)
        assert await nobody_comes_to_bea(client)
        contact = await client.contact("c")
        assert await client.complete(held.name) == wrapping
        assert await client.contact("c") == contact
        assert (await client.end_wrap_up(held.name)).state == pb.COMPLETED
        assert not await nobody_comes_to_bea(client)
        assert (await client.accept(moved.name)).state == pb.ACCEPTED


async def test_the_next_customer_waits_for_the_wrap_up_after_a_cancel(service: Server) -> None:
    """By CancelContact as by CancelReservation, where the pool sets it; the contact is CANCELED at once."""
    async with service.client(await service.site()) as client:
        await team(client, wrap_up=roster.WrapUp(after_cancel=WRAP_UP))
        held = await bea_talks(client)
        assert (await client.cancel_contact("c")).state == pb.CONTACT_CANCELED
        assert (await client.reservation(held.name)).state == pb.WRAPPING
        assert await nobody_comes_to_bea(client)
        ended = await client.end_wrap_up(held.name)
        assert (ended.state, ended.ends_as) == (pb.CANCELED, pb.RESERVATION_STATE_UNSPECIFIED)
        again = (await client.route(BEES, pool="care", auto_accept=True)).reservation
        wrapping = await client.cancel(again.name)
        assert (wrapping.state, wrapping.ends_as) == (pb.WRAPPING, pb.CANCELED)
        assert await client.cancel(again.name) == wrapping


async def test_the_next_customer_waits_for_the_wrap_up_after_a_conversation_that_expired(service: Server) -> None:
    """Also one who waits already: nobody gets bea between the deadline and the wrap-up."""
    async with service.client(await service.site()) as client:
        wrap_up = roster.WrapUp(after_expiry=WRAP_UP)
        await team(client, accepted_duration=Duration(seconds=1), wrap_up=wrap_up)
        held = await bea_talks(client)
        waiting = await client.route(BEES, pool="care", contact_id="w", excluded_agents=["tom"], wait=True)
        assert waiting.WhichOneof("outcome") == "queued"

        async def has_expired() -> bool:
            return (await client.reservation(held.name)).state == pb.WRAPPING

        await wait_until(has_expired, "the conversation expires")
        assert (await client.contact("c")).state == pb.CONTACT_EXPIRED
        assert await nobody_comes_to_bea(client)
        assert (await client.contact("w")).state == pb.CONTACT_QUEUED
        assert (await client.end_wrap_up(held.name)).state == pb.EXPIRED

        async def is_offered() -> bool:
            return (await client.contact("w")).state == pb.CONTACT_RESERVED

        await wait_until(is_offered, "the waiting contact is offered to bea")


async def test_a_report_after_a_transfer_counts_for_the_agent_it_is_of(service: Server) -> None:
    """Bea's conversation was bad, tom's good: the customer meets tom. A second report on bea's changes nothing."""
    async with service.client(await service.site()) as client:
        await team(client, relationship_duration=Duration(seconds=3600))
        held = await bea_talks(client, customer="ann")
        moved = (await client.transfer("c")).reservation
        await client.accept(moved.name)
        assert (await client.complete(held.name, resolved=False)).state == pb.COMPLETED
        await client.complete(moved.name, rating=5)
        await client.complete(held.name, rating=5)
        again = (await client.route(BEES, pool="care", customer="ann")).reservation
        assert (again.agent, again.basis) == (client.name("agents", "tom"), pb.RELATIONSHIP)


async def test_a_pool_may_keep_the_former_way_of_a_second_complete(service: Server) -> None:
    """For one release: second_complete_ends_wrap_up."""
    async with service.client(await service.site()) as client:
        await team(client, wrap_up_duration=WRAP_UP, second_complete_ends_wrap_up=True)
        held = await bea_talks(client)
        assert (await client.complete(held.name)).state == pb.WRAPPING
        assert (await client.complete(held.name)).state == pb.COMPLETED


async def test_the_wrap_ups_of_a_pool_are_read_as_they_were_set(service: Server) -> None:
    """What is not set is not there; one of them is changed or unset by itself."""
    async with service.client(await service.site()) as client:
        set_up = roster.WrapUp(after_complete=Duration(), after_expiry=Duration(seconds=3))
        pool = await client.create_pool("care", roster.Pool(wrap_up=set_up))
        assert pool.wrap_up == set_up
        change = roster.Pool(name=pool.name, wrap_up=roster.WrapUp(after_cancel=Duration(seconds=5)))
        changed = await client.update_pool(change, ["wrap_up.after_cancel", "wrap_up.after_complete"])
        assert changed.wrap_up == roster.WrapUp(after_cancel=Duration(seconds=5), after_expiry=Duration(seconds=3))
        assert not (await client.update_pool(roster.Pool(name=pool.name), ["wrap_up"])).HasField("wrap_up")


async def test_the_old_agent_keeps_the_contact_until_the_new_one_accepts(service: Server) -> None:
    """ON_ACCEPT: tom declines, and bea still has the contact; he accepts, and bea is free and may be reported of."""
    async with service.client(await service.site()) as client:
        await team(client)
        held = await bea_talks(client)
        offer = (await client.transfer("c", release=pb.ON_ACCEPT)).reservation
        assert (offer.agent, offer.state, offer.takes_over) == (client.name("agents", "tom"), pb.PENDING, held.name)
        contact = await client.contact("c")
        assert (contact.state, contact.reservation) == (pb.CONTACT_ASSIGNED, held.name)
        with pytest.raises(MatcherCallError) as twice:
            await client.transfer("c")
        assert (twice.value.reason, twice.value.metadata["reservation"]) == ("CONTACT_HELD", offer.name)
        await client.decline(offer.name, retry_after=timedelta())
        contact = await client.contact("c")
        assert (contact.state, contact.reservation, contact.cause) == (
            pb.CONTACT_ASSIGNED,
            held.name,
            pb.CAUSE_DECLINED,
        )
        assert (await client.agent("tom")).load == 0
        assert (await client.reservation(held.name)).state == pb.ACCEPTED
        again = (await client.transfer("c", release=pb.ON_ACCEPT)).reservation
        accepted = await client.accept(again.name)
        contact = await client.contact("c")
        assert (accepted.state, contact.reservation) == (pb.ACCEPTED, again.name)
        assert contact.cause == pb.CAUSE_TRANSFERRED
        assert (await client.reservation(held.name)).state == pb.COMPLETED
        assert ((await client.agent("bea")).load, (await client.agent("tom")).load) == (0, 1)


async def test_a_transfer_goes_on_to_the_next_agent_while_the_old_one_keeps_the_contact(service: Server) -> None:
    """ON_ACCEPT with `wait`: tom declines, and una is offered the contact as soon as she is there."""
    async with service.client(await service.site()) as client:
        await team(client)
        held = await bea_talks(client)
        offer = (await client.transfer("c", release=pb.ON_ACCEPT, wait=True)).reservation
        await client.decline(offer.name)
        assert (await client.contact("c")).reservation == held.name
        await hire(client, {"una": person("I sail.", pools=[client.name("pools", "care")])})
        una = client.name("agents", "una")

        async def offers() -> list[pb.Reservation]:
            return [one async for one in client.reservations(agent="una")]

        async def is_offered() -> bool:
            return bool(await offers())

        await wait_until(is_offered, "una is offered the contact")
        (next_offer,) = await offers()
        assert (next_offer.agent, next_offer.takes_over, next_offer.state) == (una, held.name, pb.PENDING)
        assert (await client.contact("c")).state == pb.CONTACT_ASSIGNED
        assert (await client.complete(held.name)).state == pb.COMPLETED
        assert (await client.reservation(next_offer.name)).state == pb.CANCELED
        assert (await client.agent("una")).load == 0
