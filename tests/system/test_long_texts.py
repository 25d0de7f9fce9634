"""Many long messages at once, where only a few of them may wait for the encoder."""

from __future__ import annotations

from typing import Final

from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, person, wait_until

LONG: Final = "The smoker for my bees arrived with a dent, and the queen has left the hive. " * 26
"""2,002 letters, some 500 tokens."""
NARROW: Final = {"MATCHER_ENCODER_QUEUE_TOKENS": "1024"}
"""Two such messages fill the queue of the encoder."""
MESSAGES: Final = 8


async def test_every_message_of_a_batch_of_long_ones_is_decided(launch: StartServer) -> None:
    """They are encoded a few at a time: none is refused for the others of its own batch."""
    server = await launch(NARROW)
    async with server.client() as client:
        await hire(client, {"bea": person("I keep honey bees.", most=MESSAGES)})
        requests = [
            pb.RouteMessageRequest(contact_id=f"c-{number}", message=pb.Message(text=f"{number} {LONG}"))
            for number in range(MESSAGES)
        ]
        results = await client.route_many(requests, deadline=120)
    assert [result.status.message for result in results] == [""] * MESSAGES
    assert all(result.response.WhichOneof("outcome") == "reservation" for result in results)


async def test_a_queue_of_long_messages_is_served_after_a_restart(launch: StartServer) -> None:
    """The contacts that a new process finds are encoded a few at a time: all at once they are refused, for ever."""
    server = await launch(NARROW)
    async with server.client() as client:
        for number in range(MESSAGES):
            answer = await client.route(f"{number} {LONG}", contact_id=f"c-{number}", wait=True, deadline=60)
            assert answer.WhichOneof("outcome") == "queued"
    await server.stop()
    server = await launch(NARROW)
    async with server.client() as client:
        await client.create_agent("bea", person("I keep honey bees.", most=MESSAGES))

        async def all_offered() -> bool:
            return [one async for one in client.contacts(state=pb.CONTACT_QUEUED)] == []

        await wait_until(all_offered, "every contact is offered")
