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
