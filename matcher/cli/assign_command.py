"""The command `matcher contacts assign`: gives a contact to one agent by hand."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from matcher.cli import routing_commands
from matcher.cli.session import Session, text_argument
from matcher.v1 import routing_pb2 as pb


class Ignored(StrEnum):
    """A constraint that an assignment may ignore."""

    POOL = "POOL"
    EXCLUDED = "EXCLUDED"
    CHANNEL = "CHANNEL"
    LANGUAGE = "LANGUAGE"
    SKILL = "SKILL"
    STATUS = "STATUS"


async def assign(
    session: Session,
    contact: Annotated[
        str, typer.Argument(metavar="CONTACT", help="The contact; a contact that is not known yet is made.")
    ],
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent who gets the contact.")],
    *,
    over_capacity: Annotated[
        bool, typer.Option("--over-capacity", help="Also if the agent has no free capacity.")
    ] = False,
    ignore: Annotated[
        list[Ignored] | None,
        typer.Option("--ignore", case_sensitive=False, help="A constraint that the agent need not meet."),
    ] = None,
    accepted: Annotated[
        bool, typer.Option("--accepted", help="Without an offer: the conversation begins at once.")
    ] = False,
    actor: Annotated[str, typer.Option("--actor", help="Who assigns the contact; kept with the decision.")] = "",
    reason: Annotated[
        str,
        typer.Option("--reason", help="Why it is assigned; kept with the decision, beside the service's own choice."),
    ] = "",
    text: Annotated[
        str, typer.Option("--text", help='The message of a contact that is not known; "-": standard input.')
    ] = "",
    pool: Annotated[str, typer.Option("--pool", help="The pool; default: the contact's, or the default pool.")] = "",
    channel: routing_commands.ChannelOption = "",
    customer: routing_commands.CustomerOption = "",
    language: routing_commands.LanguageOption = "",
    skill: routing_commands.SkillOption = None,
    exclude: routing_commands.ExcludeOption = None,
    media_type: routing_commands.MediaTypeOption = "",
    request_id: Annotated[
        str, typer.Option("--request-id", help="An id of the call; a repeated call with this id gets the same answer.")
    ] = "",
) -> None:
    """Assign a contact that waits, is offered, was returned or is not known yet to one agent, by hand."""
    words = text_argument(text) if text else ""
    async with session.client() as client:
        answer = await client.assign(
            contact,
            agent,
            pool=pool,
            text=words,
            customer=customer,
            channel=channel,
            language=language,
            required_skills=routing_commands.skills(skill),
            excluded_agents=exclude or (),
            media_type=media_type,
            over_capacity=over_capacity,
            ignore_constraints=[pb.Constraint.Value(f"CONSTRAINT_{constraint}") for constraint in ignore or ()],
            accepted=accepted,
            actor=actor,
            reason=reason,
            request_id=request_id,
        )
        await routing_commands.note_unknown(session, client, exclude=exclude)
    routing_commands.show(session, answer, words)
