"""The check of profiles, on plain cosines that a person can compute, and the waits of a queue that they leave alone."""

from __future__ import annotations

from pathlib import Path

from benchmarks.profile_waits import drawn, waits_of_a_day
from matcher.evaluation.production import Production
from matcher.evaluation.profiles import Found, check_profiles
from matcher.evaluation.suite import read_suite
from tests.evaluation.conftest import silent, write_suite

ROSTER = {"ana": "sail", "ben": "bake", "cy": "chess", "dan": "garden", "eve": "opera"}
MESSAGES = [("I sail", ["ana"]), ("I bake bread", ["ben"]), ("a game of chess", ["cy"]), ("nothing at all", ["dan"])]


async def test_a_strangers_profile_costs_nothing_and_a_profile_finds_what_a_message_finds(
    tmp_path: Path, plain: Production
) -> None:
    """Three of four messages find their agent: alone, beside a stranger's profile, and as the profile of a "hi"."""
    suite = read_suite(write_suite(tmp_path / "five", ROSTER, MESSAGES))
    (result,) = await check_profiles(plain, [suite], silent)
    assert (result.suite, result.floor) == ("five", 0.0)
    found = Found(0.75, 0.75)
    assert (result.alone, result.with_strangers_profile, result.as_profile) == (found, found, found)


async def test_every_contact_of_a_drawn_day_is_served_and_few_agents_make_all_wait(
    tmp_path: Path, plain: Production
) -> None:
    """The waits of all kinds are counted; where no message meets anybody, profiles change the wait of no contact."""
    says_nothing = [(text, right) for text, right in MESSAGES if text == "nothing at all"]
    suite = read_suite(write_suite(tmp_path / "five", ROSTER, says_nothing))
    await plain.encode_suite(suite, silent)
    await plain.encode((), "profiles", silent, messages=["hi"], profiles=[(suite.messages[0].text,)])
    waits = waits_of_a_day(plain, suite, 0.0, drawn(plain, suite, 60, 1.5, 7))
    assert len(waits) == 4
    for with_profiles, without in waits.values():
        assert with_profiles == without > 0
