"""Mails: what the service compares of them, what it says about the rest, and what it keeps while they wait."""

from __future__ import annotations

import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person
from tests.processes import Server

BAND = "I play the trombone in a brass band."
BEES = "I keep honey bees behind the house."
QUOTE = (
    "On Tue, Jun 3, 2025 at 10:12 AM Music Shop <shop@music.example> wrote:\n"
    "> Our brass band plays on Sunday, with trombones and tubas.\n> The brass band thanks you.\n"
)
MAIL = f"My honey bees have left the hive.\n\nKind regards,\nPaul Reed\n\n{QUOTE}"
PAGE = (
    '<div dir="ltr">My honey&nbsp;bees <b>left</b> &amp; never came back.</div><br>'
    '<div class="gmail_quote"><div class="gmail_attr">On Tue, Jun 3, 2025 at 10:12 AM Shop wrote:</div>'
    '<blockquote class="gmail_quote">Our brass band plays on Sunday.</blockquote></div>'
)


async def decided(client: MatcherClient, answer: pb.RouteMessageResponse) -> pb.Decision:
    """Return the record of the decision of an answer."""
    return await client.decision(answer.decision)


async def test_a_quoted_brass_band_does_not_outweigh_the_bees(service: Server) -> None:
    """The mail goes to the beekeeper, and the decision says what was not compared."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person(BEES), "tim": person(BAND)})
        answer = await client.route(MAIL, media_type="text/plain")
        assert answer.reservation.agent == client.name("agents", "bea")
        assert answer.reservation.basis == pb.AFFINITY
        record = await decided(client, answer)
        assert [part.kind for part in record.set_aside] == [
            pb.SET_ASIDE_SIGNATURE,
            pb.SET_ASIDE_REPLY_HEADER,
            pb.SET_ASIDE_QUOTE,
        ]
        assert MAIL[record.set_aside[2].start : record.set_aside[2].end].startswith("> Our brass band")


async def test_a_question_without_a_topic_over_a_quote_stays_without_a_topic(service: Server) -> None:
    """The quote decides nothing: the agent who is idle longest gets the mail."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person(BEES), "tim": person(BAND)})
        answer = await client.route(f"Where is my parcel?\n\n{QUOTE}")
        assert answer.reservation.basis == pb.FALLBACK


async def test_places_of_reasons_point_into_the_html_as_it_was_sent(service: Server) -> None:
    """A reason of an HTML mail is sliced from the caller's own text, tags and entities included."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person(BEES), "tim": person(BAND)})
        answer = await client.route(PAGE, media_type="text/html")
        assert answer.reservation.agent == client.name("agents", "bea")
        (reason,) = answer.candidate.reasons
        assert PAGE[reason.start : reason.end] == "My honey&nbsp;bees <b>left</b> &amp; never came back."
        suggested = await client.suggest(PAGE, media_type="text/html", ignore_availability=True)
        assert [part.kind for part in suggested.set_aside] == [
            pb.SET_ASIDE_MARKUP,
            pb.SET_ASIDE_MARKUP,
            pb.SET_ASIDE_MARKUP,
            pb.SET_ASIDE_MARKUP,
            pb.SET_ASIDE_QUOTE,
        ]


async def test_a_mail_that_waited_is_offered_by_what_was_compared(service: Server) -> None:
    """What waits in the store has the places, too: the decision that ends the wait names them as a first one does."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person(BEES)})
        first = await client.route("Where is the brass band?")
        waiting = await client.route(PAGE, media_type="text/html", wait=True, contact_id="mail-1")
        assert waiting.HasField("queued")
        await client.cancel(first.reservation.name)
        async for event in client.watch_contact("mail-1"):
            if event.state == pb.CONTACT_RESERVED:
                break
        reservation = await client.reservation(event.reservation)
        record = await client.decision(reservation.decision)
        (reason,) = record.candidates[0].reasons
        assert PAGE[reason.start : reason.end] == "My honey&nbsp;bees <b>left</b> &amp; never came back."
        assert record.set_aside[-1].kind == pb.SET_ASIDE_QUOTE


async def test_a_long_mail_is_taken_where_little_of_it_is_compared(service: Server) -> None:
    """Quotes and mark-up do not count among the 8,000 characters; the customer's own words do."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person(BEES)})
        long_thread = MAIL + "> old words of others\n" * 5_000
        assert (await client.suggest(long_thread, media_type="text/plain")).units == 1
        for media_type in ("text/plain", "text/html"):
            with pytest.raises(MatcherCallError) as failed:
                await client.suggest("Bees. " * 2_000, media_type=media_type)
            assert failed.value.reason == "FIELDS_INVALID"
            assert "8000" in str(failed.value)


async def test_a_mail_of_nothing_but_a_quote_says_nothing(service: Server) -> None:
    """No word of the customer is left: no unit is compared, and any agent may have the mail."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person(BEES), "tim": person(BAND)})
        suggested = await client.suggest(QUOTE)
        assert (suggested.units, suggested.basis) == (0, pb.FALLBACK)
