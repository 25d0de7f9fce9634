"""Small talk that is in no file finds nobody either, on rosters of any size in thirteen languages."""

from __future__ import annotations

import json
import random
from typing import Final

from benchmarks.small_talk import DATA, draw_roster, sections, share_with_affinity
from matcher.evaluation.production import Production, search
from matcher.evaluation.suite import SuiteAgent
from tests.evaluation.conftest import silent
from tests.processes import ROOT

SIZES: Final = (5, 8, 13, 30, 80, 200, 500, 1_000)
MOST_ON_AVERAGE: Final = 0.02
MOST_ON_A_ROSTER: Final = 0.05
NOTHING: Final = (
    "hello??",
    "where is my order?",
    "Hello? Is anybody there?",
    "I was charged twice for the same invoice.",
    "The app shows an error when I try to pay.",
    "wo bleibt meine bestellung",
    "Ma commande n'est toujours pas arrivée.",
)


async def test_of_a_hundred_sentences_of_small_talk_at_most_two_find_somebody(serving: Production) -> None:
    """Over 406 sentences, each on rosters in one language and in all: at most 2 % on average, 5 % on the worst roster.

    What 50 rosters of 5 to 5,000 agents gave stands in docs/messages.md.
    """
    interests = sections(DATA / "interests.txt")
    texts = [text for of_language in sections(DATA / "small_talk_others.txt").values() for text in of_language]
    assert len(texts) >= 400
    everyone = [interest for of_language in interests.values() for interest in of_language]
    said = filter(None, serving.interest_texts(everyone))
    await serving.encode(said, "small talk", silent, messages=texts)
    draw, shares = random.Random(17), []
    for number, size in enumerate(SIZES):
        language = list(interests)[number % len(interests)]
        held = everyone if number % 2 else interests[language]
        shares.append(await share_with_affinity(serving, draw_roster(language, held, size, draw), texts))
    assert sum(shares) / len(shares) <= MOST_ON_AVERAGE
    assert max(shares) <= MOST_ON_A_ROSTER


async def test_a_message_means_the_same_to_twelve_agents_and_to_sixty(serving: Production) -> None:
    """The floor of English hardly depends on the team's size, and greetings and support matters meet nobody in any."""
    roster = [json.loads(line) for line in (ROOT / "examples" / "agents.jsonl").read_text("utf-8").splitlines()]
    everyone = tuple(SuiteAgent(row["id"], row["display_name"], tuple(row["interests"])) for row in roster)
    interests = {text for agent in everyone for text in serving.interest_texts(agent.interests) if text}
    await serving.encode(interests, "the demo", silent, messages=NOTHING)
    draw, floors = random.Random(12), []
    for agents in (everyone, *(tuple(draw.sample(everyone, 12)) for _ in range(4))):
        index = serving.index(agents)
        by_language = await serving.floors_of(index)
        floors.append(by_language.of("en"))
        for message in map(serving.read, NOTHING):
            best = search(index, message).scores.affinity.max(initial=0.0)
            assert best == 0 or best < by_language.of(message.language)
    assert max(floors) - min(floors) <= 0.05
