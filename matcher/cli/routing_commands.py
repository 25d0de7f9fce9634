"""`matcher route` and `matcher suggest`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from matcher.cli import tables
from matcher.cli.interest_plot import plot
from matcher.cli.session import CommandError, Session, command, text_argument
from matcher.client import MatcherClient
from matcher.v1 import routing_pb2 as pb

Words = Annotated[str, typer.Argument(metavar="TEXT", help='What the customer wrote; "-": from standard input.')]
PoolOption = Annotated[str, typer.Option("--pool", help="The pool; the site's default pool otherwise.")]
ChannelOption = Annotated[str, typer.Option("--channel", help='The channel; "chat" otherwise.')]
LanguageOption = Annotated[str, typer.Option("--language", help="The language the agent must speak.")]
SkillOption = Annotated[
    list[str] | None, typer.Option("--skill", metavar="SKILL[:LEVEL]", help="A skill the agent must have.")
]
ExcludeOption = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="AGENT", help="An agent who must not take it.")
]

BASES = {
    pb.AFFINITY: "the message meets the agent's interests",
    pb.RELATIONSHIP: "the customer knows the agent",
    pb.FALLBACK: "nothing in the message to go by: the longest idle",
    pb.CONTROL: "taken at random, by policy",
    pb.PREFERRED: "the request prefers the agent",
    pb.TRANSFER: "handed to the agent by name",
}


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "route")(route)
    command(app, "suggest")(suggest)


async def route(
    session: Session,
    text: Words,
    *,
    pool: PoolOption = "",
    channel: ChannelOption = "",
    language: LanguageOption = "",
    skill: SkillOption = None,
    exclude: ExcludeOption = None,
    customer: Annotated[str, typer.Option("--customer", help="Your id of the customer.")] = "",
    contact: Annotated[str, typer.Option("--contact", help="Your id of the contact.")] = "",
    request_id: Annotated[
        str, typer.Option("--request-id", help="Repeat a call with the same id: the same answer.")
    ] = "",
    auto_accept: Annotated[bool, typer.Option("--auto-accept", help="Hold the slot as accepted at once.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="When nobody is free, also say who would have matched.")
    ] = False,
    prefer: Annotated[
        list[str] | None, typer.Option("--prefer", metavar="AGENT", help="An agent to be taken before all others.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="When nobody is free, let the contact wait in line.")] = False,
    wait_for: Annotated[
        float | None, typer.Option("--wait-for", metavar="SECONDS", help="Wait, at most for so long.")
    ] = None,
) -> None:
    """Decide which free agent takes a message, and hold a slot for it."""
    words = text_argument(text)
    async with session.client() as client:
        answer = await client.route(
            words,
            pool=pool,
            channel=channel,
            language=language,
            required_skills=_skills(skill),
            excluded_agents=exclude or (),
            customer=customer,
            contact_id=contact,
            request_id=request_id,
            auto_accept=auto_accept,
            explain_unmatched=explain,
            preferred_agents=dict.fromkeys(prefer or ()),
            wait=wait or wait_for is not None,
            wait_duration=None if wait_for is None else timedelta(seconds=wait_for),
        )
        without_agents = await _has_no_agents(client, answer.unmatched.left_out, answer.HasField("unmatched"))
    if without_agents and not session.as_json:
        session.say(f"nobody can take it now: {_no_agents(session)}")
        return
    show(session, answer, words, explain=explain)


def show(session: Session, answer: pb.RouteMessageResponse, words: str, *, explain: bool = False) -> None:
    """Show what was decided for a message; `explain`: it was asked who would have matched."""
    if session.as_json:
        session.write_json(answer)
    elif answer.WhichOneof("outcome") == "reservation":
        _show_held(session, answer, words)
    elif answer.WhichOneof("outcome") == "queued":
        session.say(f"{tables.short(answer.contact)} waits: {tables.queued(answer.queued)}")
    else:
        _show_unmatched(session, answer.unmatched, words, explain=explain)


def _show_unmatched(session: Session, unmatched: pb.Unmatched, words: str, *, explain: bool) -> None:
    session.say(f"nobody can take it now: {tables.constraint(unmatched.reason)} left nobody")
    session.say(tables.left_out(unmatched.left_out))
    if unmatched.would_match:
        session.say("who would have matched, were they free:")
        session.out.print(tables.candidates(unmatched.would_match, words))
    elif explain:
        session.say("nobody would match if everybody were free: no agent meets all that is required")


async def _has_no_agents(client: MatcherClient, left_out: Iterable[pb.LeftOutCount], unmatched: bool) -> bool:
    """Return whether nobody could be found because nobody is there at all."""
    if not unmatched or any(one.agents for one in left_out):
        return False
    return not (await client.list_agents(page_size=1)).agents


def _no_agents(session: Session) -> str:
    return f"sites/{session.site} has no agents yet; `matcher agents import FILE` brings some"


def _show_held(session: Session, answer: pb.RouteMessageResponse, words: str) -> None:
    held = answer.reservation
    session.out.print(tables.reservation(held))
    session.out.print(Text())
    session.say(BASES.get(held.basis, pb.Basis.Name(held.basis)) + (" (answered before)" if answer.replayed else ""))
    session.out.print(tables.candidates([answer.candidate], words))


async def suggest(
    session: Session,
    text: Words,
    *,
    pool: PoolOption = "",
    channel: ChannelOption = "",
    language: LanguageOption = "",
    skill: SkillOption = None,
    exclude: ExcludeOption = None,
    most: Annotated[int, typer.Option("--most", min=1, max=100, help="How many agents at most.")] = 8,
    everybody: Annotated[
        bool, typer.Option("--ignore-availability", help="Rank those who are offline or full, too.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Also name whom a constraint left out.")] = False,
    plot_file: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE.png",
            help="Draw the roster's interests with the message among them. The service gives out no vectors: the "
            "agents are listed over the API and encoded here, by the model that MATCHER_MODEL names.",
        ),
    ] = None,
) -> None:
    """Rank agents for a message and hold nothing."""
    words = text_argument(text)
    async with session.client() as client:
        answer = await client.suggest(
            words,
            pool=pool,
            channel=channel,
            language=language,
            required_skills=_skills(skill),
            excluded_agents=exclude or (),
            max_candidates=most,
            ignore_availability=everybody,
            explain_left_out=explain,
        )
        if plot_file:
            await plot(session, client, words, pool, answer, plot_file)
        without_agents = await _has_no_agents(client, answer.left_out, not answer.candidates)
    if session.as_json:
        session.write_json(answer)
        return
    if answer.candidates:
        session.say(f"{BASES.get(answer.basis, '')} (floor {answer.affinity_floor:.3f})")
        session.out.print(tables.candidates(answer.candidates, words))
    elif without_agents:
        session.say(f"nobody can take it now: {_no_agents(session)}")
        return
    else:
        session.say("nobody can take it now")
    session.say(tables.left_out(answer.left_out))
    for one in answer.left_out_agents:
        session.say(f"  {tables.short(one.agent)}: {tables.constraint(one.constraint)}")


def _skills(given: Sequence[str] | None) -> dict[str, int]:
    skills: dict[str, int] = {}
    for one in given or ():
        skill, _, level = one.partition(":")
        if level and not level.isdecimal():
            raise CommandError(f"--skill {one}: the level is not a whole number")
        skills[skill] = int(level or 0)
    return skills
