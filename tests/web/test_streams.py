"""Streams over HTTP: what a browser's EventSource sees, and how it goes on after a break."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

from tests.processes import Server, metric
from tests.web.gateway import SECONDS, Gateway, open_gateway
from tests.web.test_calls import HORSE, site_with_fiona


async def test_a_contacts_stream_goes_on_after_the_last_event_and_ends_for_good(
    service: Server, gateway: Gateway
) -> None:
    """Each step has its sequence as id; the last is followed by `end`; coming back after it is answered 204."""
    site = await site_with_fiona(service, gateway)
    contact = f"{site}/contacts/c-1"
    await gateway.ask("POST", f"{site}/contacts:route", HORSE | {"contactId": "c-1"})
    async with gateway.stream(f"{contact}:watch") as events:
        first = await anext(events)
        assert (first["id"], json.loads(first["data"])["cause"]) == ("1", "CAUSE_OFFERED")
        assert (await gateway.ask("POST", f"{contact}:cancel", {})).code == 200
        canceled = await anext(events)
        assert (canceled["id"], json.loads(canceled["data"])["state"]) == ("2", "CONTACT_CANCELED")
        assert await anext(events) == {"event": "end", "data": "{}"}
    async with gateway.stream(f"{contact}:watch", last_event="1") as events:
        assert await anext(events) == canceled
    ended = await gateway.ask("GET", f"{contact}:watch", headers={"last-event-id": "2"})
    assert (ended.code, ended.text) == (204, "")


async def test_a_sites_stream_resumes_by_its_token(service: Server, gateway: Gateway) -> None:
    """What happened while nobody watched comes after the event whose id is given."""
    site = await site_with_fiona(service, gateway)
    async with gateway.stream(f"{site}/events:watch") as events:
        sign = await anext(events)
        assert json.loads(sign["data"]) == {"resumeToken": sign["id"]}
    await gateway.ask("POST", f"{site}/contacts:route", HORSE | {"contactId": "c-1"})
    async with gateway.stream(f"{site}/events:watch", last_event=sign["id"]) as events:
        missed = await anext(events)
        while "event" not in json.loads(missed["data"]):
            missed = await anext(events)
    assert json.loads(missed["data"])["event"]["contact"].endswith("/contacts/c-1")


async def test_a_stream_that_is_refused_is_an_answer_with_its_code(service: Server, gateway: Gateway) -> None:
    """Then an EventSource stops; a place that is none is refused by the header's name."""
    site = f"/v1/sites/{await service.site()}"
    gone = await gateway.ask("GET", f"{site}/contacts/nobody:watch")
    assert (gone.code, gone.reason) == (404, "CONTACT_NOT_FOUND")
    wrong = await gateway.ask("GET", f"{site}/contacts/nobody:watch", headers={"last-event-id": "x"})
    assert wrong.wrong == {"last-event-id": "is no id of an event of this stream"}


async def test_a_stream_ends_at_the_service_when_its_reader_goes(service: Server, gateway: Gateway) -> None:
    """The service counts no stream any more: the gateway does not hold it open."""
    site = await site_with_fiona(service, gateway)
    async with gateway.stream(f"{site}/events:watch") as events:
        await anext(events)
        open_then = await metric(service, "matcher_watchers")
    async with asyncio.timeout(SECONDS):
        while await metric(service, "matcher_watchers") >= open_then:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.05)


async def test_streams_end_with_the_process(service: Server) -> None:
    """Told to stop, the gateway completes each stream, the console's too, without `end`, and breaks nothing off."""
    async with AsyncExitStack() as stack:
        async with open_gateway(service.target) as gateway:
            site = await site_with_fiona(service, gateway)
            paths = (f"{site}/events:watch", f"/console/{site.removeprefix('/v1/')}/live/stream")
            streams = [await stack.enter_async_context(gateway.stream(path)) for path in paths]
            for events in streams:
                await anext(events)
        # It has stopped, and wrote nothing: uvicorn says which requests had to be broken off.
        for events in streams:
            assert "end" not in [event.get("event") async for event in events]
