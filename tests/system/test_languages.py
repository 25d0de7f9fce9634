"""A site with messages in other languages than the model was trained for."""

from __future__ import annotations

import pytest

from tests.people import hire, person
from tests.processes import Server

CROWD = {
    "anja": ("Ich züchte Bienen und schleudere Honig.", "Ich segle am Bodensee."),
    "luis": ("Me gusta bailar flamenco.", "Cuido caballos andaluces."),
    "yuki": ("週末は山に登ります。", "犬を二匹飼っています。"),
    "asha": ("मुझे बाँसुरी बजाना पसंद है।", "मैं पहाड़ों में घूमती हूँ।"),
    "omar": ("أحب الخيول العربية.", "أكتب الشعر."),
    "robo": ("🤖 🏁",),
}


@pytest.mark.parametrize(
    ("message", "agent", "words"),
    [
        ("Paket Nr. 4471 kam am 3. Oktober. Ich züchte Bienen! 🐝", "anja", "Ich züchte Bienen! 🐝"),
        (
            "👩‍👩‍👧‍👦 ¡Hola! Me gusta bailar flamenco, p. ej. en Sevilla.",
            "luis",
            "Me gusta bailar flamenco, p. ej. en Sevilla.",
        ),
        ("荷物が届きません。週末は山に登ります！はい", "yuki", "週末は山に登ります！"),
        ("पार्सल नहीं आया। मुझे बाँसुरी बजाना पसंद है। हाँ", "asha", "मुझे बाँसुरी बजाना पसंद है।"),
        ("لم يصل طردي. أحب الخيول العربية! شكرا", "omar", "أحب الخيول العربية!"),
    ],
)
async def test_a_message_finds_the_agent_with_the_same_interest_in_its_language(
    service: Server, message: str, agent: str, words: str
) -> None:
    """The default model is English, yet the agent is found, and the reason names the words of the message."""
    site = await service.site()
    async with service.client(site) as client:
        await hire(client, {name: person(*interests) for name, interests in CROWD.items()})
        answer = await client.route(message)
        assert answer.candidate.agent.endswith(f"/{agent}")
        said = {message[reason.start : reason.end] for reason in answer.candidate.reasons}
        assert words in said
        met = next(one for one in answer.candidate.reasons if message[one.start : one.end] == words)
        assert met.interest == CROWD[agent][0]


async def test_the_decision_names_the_language_of_the_message_and_the_floor_of_that_language(service: Server) -> None:
    """A German message is held against the floor of German, an English one against that of English."""
    messages = {
        "de": "Guten Tag, mein Paket kam offen an, und ich züchte Bienen.",
        "en": "Hello, my parcel came open, and I keep bees.",
        "ja": "荷物が開いていました。蜂を飼っています。",
    }
    async with service.client(await service.site()) as client:
        await hire(client, {name: person(*interests) for name, interests in CROWD.items()})
        floors = set()
        for language, message in messages.items():
            suggested = await client.suggest(message)
            decision = await client.decision((await client.route(message)).decision)
            assert decision.language == language
            assert decision.affinity_floor == suggested.affinity_floor > 0
            floors.add(decision.affinity_floor)
        assert len(floors) == len(messages)
        unknown = (await client.pool("default")).effective_affinity_floor
        assert (await client.suggest("la la la")).affinity_floor == unknown
