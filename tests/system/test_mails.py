"""Mails: what the service compares of them, what it says about the rest, and what it keeps while they wait."""

from __future__ import annotations

import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.store.keys import Keys
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person
from tests.processes import Server
from tests.system.conftest import Pair

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


async def test_what_waits_in_the_store_is_only_what_is_compared(pair: Pair) -> None:
    """The seal of a mail with 100 KB of quotes is small: it holds the kept stretches with their places, no quote."""
    site = await pair.one.site()
    async with pair.one.client(site) as client:
        await hire(client, {"bea": person(BEES)})
        await client.route("Where is the brass band?")
        quoted = PAGE.replace("Our brass band", "Our brass band " * 7_000)
        assert (await client.route(quoted, media_type="text/html", wait=True, contact_id="mail-1")).HasField("queued")
        async with pair.store.client() as redis:
            # Of it some 2,400 bytes are the vector of each unit.
            assert await redis.hstrlen(Keys(site).contact("mail-1"), "sealed") < 5_000


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


AMHARIC = "ንቦቼ ሸሽተዋል"
KEEPS_BEES = "ንቦችን አሳድጋለሁ"
"""In Amharic, which no packaged model knows."""


async def test_what_the_model_does_not_know_finds_nobody(service: Server) -> None:
    """A sentence in Amharic, a thumb and a wave do not look like three instruments; a saxophone does."""
    async with service.client(await service.site()) as client:
        await hire(client, {"jazz": person("🎷🎺🥁"), "bea": person(BEES), "aster": person(KEEPS_BEES)})
        for text in (AMHARIC, "👍", "hi 👋", "አመሰግናለሁ"):
            suggested = await client.suggest(text)
            assert suggested.basis == pb.FALLBACK
            assert suggested.units == 0
        assert (await client.suggest(AMHARIC)).set_aside[0].kind == pb.SET_ASIDE_UNKNOWN
        jazz = await client.suggest("Who plays the saxophone and the trumpet?")
        assert jazz.candidates[0].agent == client.name("agents", "jazz")
        assert jazz.basis == pb.AFFINITY


async def test_an_interest_that_says_nothing_is_named_to_who_writes_it(service: Server) -> None:
    """The import warns, and reading the agent says the same as long as the model serves."""
    async with service.client(await service.site()) as client:
        row = people.ImportRow(row=7, agent_id="aster", agent=person(KEEPS_BEES, BEES, "Good morning!"))
        (answer,) = [answer async for answer in client.import_agents([row])]
        assert [(silent.interest, silent.reason) for silent in answer.silent_interests] == [
            (KEEPS_BEES, people.UNKNOWN_TO_MODEL),
            ("Good morning!", people.SMALL_TALK),
        ]
        assert (await client.agent("aster")).silent_interests == answer.silent_interests
        (listed,) = [agent async for agent in client.agents()]
        assert listed.silent_interests == answer.silent_interests


async def test_small_talk_in_german_and_chinese_meets_nobody_on_a_roster_in_that_language(service: Server) -> None:
    """Known sentences are no unit, whatever the agents' interests look like to the model."""
    roster = {"bea": person("Ich halte Bienen hinter dem Haus."), "li": person("我在屋后养蜜蜂。")}
    async with service.client(await service.site()) as client:
        await hire(client, roster)
        for text in (
            "Guten Tag! Ich habe eine Frage.",
            "你好，谢谢",
            "你好！我有个问题。",
            "Vielen Dank für Ihre Hilfe!",
        ):
            assert (await client.suggest(text)).basis == pb.FALLBACK


async def test_a_pool_adds_sentences_that_are_not_compared(service: Server) -> None:
    """The sentences of a pool's own customers are known to that pool."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person(BEES)})
        assert (await client.suggest("Beam me up, bees!")).units == 1
        await client.update_pool(people.Pool(name="default", small_talk=["Beam me up bees"]), ["small_talk"])
        suggested = await client.suggest("Beam me up, bees!")
        assert suggested.units == 0
        assert suggested.set_aside[0].kind == pb.SET_ASIDE_SMALL_TALK
