"""The commands `matcher route` and `matcher suggest`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from matcher.cli import tables
from matcher.cli.candidate_tables import candidates
from matcher.cli.interest_plot import plot
from matcher.cli.session import CommandError, Session, command, text_argument
from matcher.cli.waiting_words import place, why_nobody
from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import routing_pb2 as pb

Words = Annotated[
    str,
    typer.Argument(
        metavar="TEXT", help='The customer\'s message; "-": standard input. May be left out with --customer-interest.'
    ),
]
InterestOption = Annotated[
    list[str] | None,
    typer.Option(
        "--customer-interest",
        metavar="TEXT",
        help="What the customer cares about; may be repeated. It counts where the message itself says too little.",
    ),
]
PoolOption = Annotated[str, typer.Option("--pool", help="The pool; default: the site's default pool.")]
ChannelOption = Annotated[
    str, typer.Option("--channel", help='The channel; default: that of a known contact, else "chat".')
]
LanguageOption = Annotated[str, typer.Option("--language", help="The language the agent must speak.")]
SkillOption = Annotated[
    list[str] | None, typer.Option("--skill", metavar="SKILL[:LEVEL]", help="A skill the agent must have.")
]
ExcludeOption = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="AGENT", help="An agent who must not get the contact.")
]
PreferOption = Annotated[
    list[str] | None, typer.Option("--prefer", metavar="AGENT", help="An agent to choose before all others.")
]
CustomerOption = Annotated[str, typer.Option("--customer", help="Your id of the customer.")]
MediaTypeOption = Annotated[
    str,
    typer.Option(
        "--media-type", metavar="TYPE", help='"text/plain" or "text/html" for a mail with all that it quotes.'
    ),
]
TriedFloor = Annotated[
    float | None, typer.Option("--floor", min=0, max=1, help="Rank as if the pool had this floor. Nothing is stored.")
]
TriedTolerance = Annotated[
    float | None, typer.Option("--tolerance", min=0, max=1, help="Rank as if the pool had this tolerance.")
]
TriedWeight = Annotated[
    float | None,
    typer.Option(
        "--profile-weight",
        min=0,
        max=1,
        help="Rank as if the pool had this weight of what the customer brings along.",
    ),
]

BASES = {
    pb.AFFINITY: "the message meets the agent's interests",
    pb.RELATIONSHIP: "the customer knows the agent",
    pb.FALLBACK: "the message meets no interest: the least utilized agent, of equals the longest idle",
    pb.CONTROL: "the contact is control in a comparison: the least utilized agent, of equals the longest idle",
    pb.PREFERRED: "the request prefers the agent",
    pb.TRANSFER: "transferred to this agent by name",
    pb.ASSIGNED: "assigned to this agent by hand",
}


NOTHING_COMPARED = "there was no text to compare: the least utilized agent, of equals the longest idle"


BY_PROFILE = "the message says too little, and what the customer cares about meets the agent's interests"


def basis(value: pb.Basis.ValueType, chosen: pb.Candidate) -> str:
    """Return in words why an agent was chosen."""
    if value == pb.AFFINITY and any(reason.source == pb.REASON_SOURCE_PROFILE for reason in chosen.reasons):
        return BY_PROFILE
    return BASES.get(value, pb.Basis.Name(value))


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "route")(route)
    command(app, "suggest")(suggest)


async def route(
    session: Session,
    text: Words = "",
    *,
    pool: PoolOption = "",
    channel: ChannelOption = "",
    language: LanguageOption = "",
    media_type: MediaTypeOption = "",
    skill: SkillOption = None,
    exclude: ExcludeOption = None,
    customer: CustomerOption = "",
    customer_interest: InterestOption = None,
    shareable: Annotated[
        bool, typer.Option("--shareable", help="An agent's desk may be told which interest a --customer-interest met.")
    ] = False,
    contact: Annotated[str, typer.Option("--contact", help="Your id of the contact.")] = "",
    request_id: Annotated[
        str, typer.Option("--request-id", help="An id of the call; a repeated call with this id gets the same answer.")
    ] = "",
    auto_accept: Annotated[
        bool, typer.Option("--auto-accept", help="Accept the reservation at once, without an offer.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="If no agent is free, also show the agents who would match.")
    ] = False,
    prefer: PreferOption = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="If no agent is free, let the contact wait in the queue.")
    ] = False,
    wait_for: Annotated[
        float | None, typer.Option("--wait-for", metavar="SECONDS", help="Wait, at most for this time.")
    ] = None,
) -> None:
    """Decide which free agent gets a message, and reserve the agent."""
    words = text_argument(text)
    async with session.client() as client:
        answer = await client.route(
            words,
            pool=pool,
            channel=channel,
            language=language,
            media_type=media_type,
            required_skills=skills(skill),
            excluded_agents=exclude or (),
            customer=customer,
            customer_interests=customer_interest or (),
            customer_interests_shareable=shareable,
            contact_id=contact,
            request_id=request_id,
            auto_accept=auto_accept,
            explain_unmatched=explain,
            preferred_agents=dict.fromkeys(prefer or ()),
            wait=wait or wait_for is not None,
            wait_duration=None if wait_for is None else timedelta(seconds=wait_for),
        )
        await note_unknown(session, client, exclude=exclude)
        note_unknown_preferred(session, answer)
        without_agents = await _has_no_agents(client, answer.unmatched.left_out, answer.HasField("unmatched"))
        nobody = ""
        if _estimate_missing(answer) and not session.as_json:
            nobody = await why_nobody(
                client,
                pool,
                channel,
                language=language,
                required_skills=skills(skill),
                excluded_agents=exclude or (),
            )
    if without_agents and not session.as_json:
        session.say(f"{tables.NO_AGENT}: {_no_agents(session)}")
        return
    show(session, answer, words, customer_interest or (), explain=explain, nobody=nobody, language=language)


def show(
    session: Session,
    answer: pb.RouteMessageResponse,
    words: str,
    customer_interests: Sequence[str] = (),
    *,
    explain: bool = False,
    nobody: str = "",
    named: str = "",
    language: str = "",
) -> None:
    """Print the decision for a message.

    explain: whether the request had `explain_unmatched`. nobody: why nobody who is online could take the message.
    named: the one agent whom the request names. language: the language that it requires.
    """
    if session.as_json:
        session.write_json(answer)
    elif answer.WhichOneof("outcome") == "reservation":
        _show_reservation(session, answer, words, customer_interests)
    elif answer.WhichOneof("outcome") == "queued":
        session.say(f"{tables.short(answer.contact)} waits: {place(answer.queued, nobody)}")
    elif named:
        lacking = _lacking(answer.unmatched, language)
        why = tables.constraint(answer.unmatched.reason) + (f": {lacking}" if lacking else "")
        session.say(f"{named} cannot take the contact now: {why}")
    else:
        session.say(tables.unmatched(answer.unmatched.reason, _lacking(answer.unmatched, language)))
        _show_left_out(session, answer.unmatched, words, customer_interests, explain=explain)


def _estimate_missing(answer: pb.RouteMessageResponse) -> bool:
    return answer.HasField("queued") and not answer.queued.HasField("estimated_wait")


def _lacking(unmatched: pb.Unmatched, language: str) -> str:
    """Return the language or the skills that leave nobody, "" for any other reason."""
    return language if unmatched.reason == pb.CONSTRAINT_LANGUAGE else tables.levels(unmatched.unmet_skills)


def _show_left_out(
    session: Session, unmatched: pb.Unmatched, words: str, customer_interests: Sequence[str], *, explain: bool
) -> None:
    session.say(tables.left_out(unmatched.left_out))
    if unmatched.would_match:
        session.say("agents who would match if they were free:")
        session.show(candidates(unmatched.would_match, words, customer_interests))
    elif explain:
        session.say("no agent would match even if all were free: none meets all requirements")


async def note_unknown(session: Session, client: MatcherClient, **agents: Sequence[str] | None) -> None:
    """Note the agents of an option who do not exist: the service takes them, and they change nothing."""
    named = [(option, agent) for option, given in agents.items() for agent in given or ()]
    found = await asyncio.gather(*(client.agent(agent) for _, agent in named), return_exceptions=True)
    for (option, agent), answer in zip(named, found, strict=True):
        if isinstance(answer, MatcherCallError) and answer.reason == "AGENT_NOT_FOUND":
            session.note(f"--{option} {agent}: there is no such agent")


def note_unknown_preferred(session: Session, answer: pb.RouteMessageResponse | pb.SuggestAgentsResponse) -> None:
    """Note the preferred agents who do not exist: they change nothing."""
    for agent in answer.unknown_preferred_agents:
        session.note(f"--prefer {tables.short(agent)}: there is no such agent")


async def _has_no_agents(client: MatcherClient, left_out: Iterable[pb.LeftOutCount], unmatched: bool) -> bool:
    """Return whether no agent was found because the site has none."""
    if not unmatched or any(count.agents for count in left_out):
        return False
    return not (await client.list_agents(page_size=1)).agents


def _no_agents(session: Session) -> str:
    return f"sites/{session.site} has no agents yet; add some with `matcher agents import FILE`"


def _show_reservation(
    session: Session, answer: pb.RouteMessageResponse, words: str, customer_interests: Sequence[str]
) -> None:
    reservation = answer.reservation
    session.show(tables.reservation(reservation))
    session.say("")
    untold = not (words or customer_interests or answer.replayed) and reservation.basis == pb.FALLBACK
    session.say(
        (NOTHING_COMPARED if untold else basis(reservation.basis, answer.candidate))
        + (f" ({tables.degraded(answer.degraded)}: not compared)" if answer.degraded else "")
        + (" (answered before)" if answer.replayed else "")
    )
    session.show(candidates([answer.candidate], words, customer_interests))


async def suggest(
    session: Session,
    text: Words = "",
    *,
    pool: PoolOption = "",
    channel: ChannelOption = "",
    language: LanguageOption = "",
    media_type: MediaTypeOption = "",
    skill: SkillOption = None,
    exclude: ExcludeOption = None,
    prefer: PreferOption = None,
    customer: CustomerOption = "",
    customer_interest: InterestOption = None,
    most: Annotated[int, typer.Option("--most", min=1, max=100, help="The most agents to show.")] = 8,
    ignore_availability: Annotated[
        bool, typer.Option("--ignore-availability", help="Also rank agents who are offline or full.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Also name the agents who are left out, and why.")] = False,
    floor: TriedFloor = None,
    tolerance: TriedTolerance = None,
    profile_weight: TriedWeight = None,
    plot_file: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE.png",
            help="Draw the roster's interests with the message among them. The service returns no vectors: the "
            "command lists the agents over the API and encodes them itself, by the model of the service if that runs "
            "on this machine, else by the model that MATCHER_MODEL names.",
        ),
    ] = None,
) -> None:
    """Rank agents for a message and reserve none."""
    words = text_argument(text)
    async with session.client() as client:
        answer = await client.suggest(
            words,
            pool=pool,
            channel=channel,
            language=language,
            media_type=media_type,
            customer=customer,
            customer_interests=customer_interest or (),
            required_skills=skills(skill),
            excluded_agents=exclude or (),
            preferred_agents=prefer or (),
            max_candidates=most,
            ignore_availability=ignore_availability,
            explain_left_out=explain,
            affinity_floor=floor,
            affinity_tolerance=tolerance,
            profile_weight=profile_weight,
        )
        await note_unknown(session, client, exclude=exclude)
        note_unknown_preferred(session, answer)
        if plot_file:
            await plot(session, client, words, customer_interest or (), pool, answer, plot_file)
        without_agents = await _has_no_agents(client, answer.left_out, not answer.candidates)
    if session.as_json:
        session.write_json(answer)
        return
    if answer.candidates:
        session.say(f"{basis(answer.basis, answer.candidates[0])} (floor {answer.affinity_floor:.3f})")
        session.show(candidates(answer.candidates, words, customer_interest or ()))
    elif without_agents:
        session.say(f"{tables.NO_AGENT}: {_no_agents(session)}")
        return
    else:
        session.say(tables.NO_AGENT)
    session.say(tables.left_out(answer.left_out))
    if answer.set_aside:
        session.say(f"not compared: {tables.set_aside(answer.set_aside)}")
    for excluded in answer.left_out_agents:
        session.say(f"  {tables.short(excluded.agent)}: {tables.constraint(excluded.constraint)}")


def skills(given: Sequence[str] | None) -> dict[str, int]:
    """Return the skills of `--skill` options with their levels; raise CommandError where an option is wrong."""
    levels: dict[str, int] = {}
    for option in given or ():
        skill, _, level = option.partition(":")
        if level and not level.isdecimal():
            raise CommandError(f"--skill {option}: the level is not a whole number")
        if skill in levels:
            raise CommandError(f"--skill {option}: the skill {skill} is required by another --skill already")
        levels[skill] = int(level or 0)
    return levels
