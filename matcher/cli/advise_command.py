"""The command `matcher agents advise`: tries each interest of a profile on the roster and says how to write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import typer

from matcher.cli import tables
from matcher.cli.columns import Column, Listing
from matcher.cli.session import Session
from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as pb

LEAST_WORDS: Final = 4
"""An interest with fewer words leaves open what is meant: "sailing" meets boats, regattas and holidays alike."""
GENERIC_SHARE: Final = 0.2
"""Share of the roster: an interest that this share of the agents has, by the pool's floor, distinguishes nobody."""
MOST_RANKED: Final = 100

HINTS: Final = (
    "write each interest as a sentence in the agent's own words, as a customer might say it",
    "name things, places and moments: what is owned, built, broken, read, where and when",
    "one subject a sentence; several sentences on what matters most",
)


async def advise(
    session: Session,
    agent: Annotated[str, typer.Argument(metavar="[AGENT]", help="The agent whose profile is tried.")] = "",
    interest: Annotated[
        list[str] | None, typer.Option("--interest", metavar="TEXT", help="A draft that is tried; may be repeated.")
    ] = None,
) -> None:
    """Try a profile, or drafts of interests, on the roster, and say what to write so that messages find it."""
    if not agent and not interest:
        raise typer.BadParameter("name an agent, or try drafts with --interest", param_hint="AGENT")
    listing = Listing(Column("interest", text=True), Column("meets"), Column("advice", text=True))
    async with session.client() as client:
        profile = await client.agent(agent) if agent else pb.Agent()
        silent = {one.interest: tables.SILENT.get(one.reason, "") for one in profile.silent_interests}
        roster = [one.name async for one in client.agents()]
        for text in (*profile.interests, *(interest or ())):
            others, advice = await _try(client, text, profile.name, len(roster), silent)
            if session.as_json:
                session.write_json({"interest": text, "others": others, "advice": advice})
            listing.add(text, f"{others} others", advice)
    if not session.as_json:
        session.show(listing)
        for hint in HINTS:
            session.say(f"- {hint}")


async def _try(client: MatcherClient, text: str, own: str, agents: int, silent: Mapping[str, str]) -> tuple[int, str]:
    """Send an interest as a message; return how many other agents it meets, and what to do about it."""
    if text in silent:
        return 0, f"no message meets it: {silent[text]}"
    ranked = await client.suggest(text, ignore_availability=True, max_candidates=MOST_RANKED)
    met = [one for one in ranked.candidates if one.reasons and one.affinity >= ranked.affinity_floor]
    others = sum(one.agent != own for one in met)
    if others > max(1, GENERIC_SHARE * agents):
        return others, "it distinguishes nobody: say what is special about it"
    if len(text.split()) < LEAST_WORDS and not any(ord(sign) > 0x2E80 for sign in text):
        return others, "too short to tell what is meant: write a sentence"
    if not met:
        return others, "it says little that a message could meet: name things, places, moments"
    return others, "found by its own words" if others == 0 else "found; shared with others"
