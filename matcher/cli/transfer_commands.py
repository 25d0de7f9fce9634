"""The commands `matcher transfer` and `matcher link`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from matcher.cli import routing_commands
from matcher.cli.session import Session, command, text_argument
from matcher.v1 import routing_pb2 as pb


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "transfer")(transfer)
    command(app, "link")(link)


async def transfer(
    session: Session,
    contact: Annotated[str, typer.Argument(metavar="CONTACT", help="A contact that an agent has accepted.")],
    text: Annotated[
        str, typer.Argument(metavar="[TEXT]", help='What the new agent should know or like; "-": standard input.')
    ] = "",
    *,
    pool: Annotated[
        str, typer.Option("--pool", help="To the best agent of this pool; default: the contact's pool.")
    ] = "",
    agent: Annotated[str, typer.Option("--agent", help="To this agent only.")] = "",
    language: routing_commands.LanguageOption = "",
    skill: routing_commands.SkillOption = None,
    exclude: routing_commands.ExcludeOption = None,
    prefer: routing_commands.PreferOption = None,
    media_type: routing_commands.MediaTypeOption = "",
    request_id: Annotated[
        str, typer.Option("--request-id", help="An id of the call; a repeated call with this id gets the same answer.")
    ] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="If no agent is free, let the contact wait with its agent.")
    ] = False,
    wait_for: Annotated[
        float | None, typer.Option("--wait-for", metavar="SECONDS", help="Wait, at most for this time.")
    ] = None,
    on_accept: Annotated[
        bool,
        typer.Option(
            "--on-accept",
            help="Leave the contact with its agent until the new agent accepts; without this option the old agent is "
            "freed as soon as the new agent is reserved.",
        ),
    ] = False,
) -> None:
    """Transfer a contact to another agent; the old agent is free only when the new agent is reserved, or accepts."""
    words = text_argument(text) if text else ""
    async with session.client() as client:
        answer = await client.transfer(
            contact,
            pool=pool,
            agent=agent,
            text=words,
            language=language,
            media_type=media_type,
            required_skills=routing_commands.skills(skill),
            excluded_agents=exclude or (),
            preferred_agents=dict.fromkeys(prefer or ()),
            request_id=request_id,
            wait=wait or wait_for is not None,
            wait_duration=None if wait_for is None else timedelta(seconds=wait_for),
            release=pb.ON_ACCEPT if on_accept else pb.ON_HOLD,
        )
        await routing_commands.note_unknown(session, client, exclude=exclude)
    routing_commands.note_unknown_preferred(session, answer)
    routing_commands.show(session, answer, words, named=agent, language=language)


async def link(
    session: Session,
    customers: Annotated[list[str], typer.Argument(metavar="CUSTOMER…", help="Handles of one customer.")],
) -> None:
    """Link several handles to one customer."""
    async with session.client() as client:
        handles = await client.link_customer(*customers)
    if session.as_json:
        session.write_json({"handles": handles})
    session.say(f"the customer has {handles} handles")
