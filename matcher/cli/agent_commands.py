"""The commands of `matcher agents`; the import has a module of its own."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from matcher.cli import tables
from matcher.cli.advise_command import advise
from matcher.cli.call_errors import describe
from matcher.cli.columns import MIDDLE, WIDE, Column, Listing
from matcher.cli.edit_command import edit
from matcher.cli.file_access import form_of, write_text
from matcher.cli.free_capacity import in_words, more_contacts
from matcher.cli.import_command import import_agents
from matcher.cli.session import Session, command
from matcher.client import MatcherCallError
from matcher.files.roster_file import Form, roster_text
from matcher.v1 import roster_pb2 as pb

Name = Annotated[str, typer.Argument(metavar="AGENT", help="The agent.")]


class Status(StrEnum):
    """A status that an agent can set."""

    ONLINE = "ONLINE"
    DRAINING = "DRAINING"
    OFFLINE = "OFFLINE"
    AWAY = "AWAY"


STATUSES = f"new status, last: {', '.join(Status)}"


def commands() -> typer.Typer:
    """Return the commands of `matcher agents`."""
    app = typer.Typer(name="agents", help="Agents: the people who serve contacts.", no_args_is_help=True)
    command(app, "list")(list_agents)
    command(app, "get")(get)
    command(app, "set-status")(set_status)
    command(app, "delete")(delete)
    command(app, "forget")(forget)
    command(app, "import")(import_agents)
    command(app, "export")(export)
    command(app, "check")(check)
    command(app, "edit")(edit)
    command(app, "advise")(advise)
    return app


async def list_agents(
    session: Session,
    pool: Annotated[str, typer.Option("--pool", help="Only agents in this pool.")] = "",
    status: Annotated[
        Status | None, typer.Option("--status", case_sensitive=False, help="Only agents of this status.")
    ] = None,
    free: Annotated[bool, typer.Option("--free", help="Only agents who can take a contact now.")] = False,
) -> None:
    """List the site's agents, with how many more contacts of each channel they can take now."""
    listing = Listing(
        Column("agent"),
        Column("status"),
        Column("free", text=True),
        Column("name", text=True),
        Column("load", MIDDLE),
        Column("languages", MIDDLE, text=True),
        Column("pools", MIDDLE, text=True),
        Column("skills", WIDE, text=True),
        Column("capacity", WIDE, text=True),
    )
    status_filter = pb.AGENT_STATUS_UNSPECIFIED if status is None else pb.AgentStatus.Value(status.value)
    count = 0
    async with session.client() as client:
        async for agent in client.agents(pool=pool, status=status_filter, with_holds=True):
            if free and not more_contacts(agent):
                continue
            if session.as_json:
                session.write_json(agent)
                continue
            count += bool(more_contacts(agent))
            listing.add(
                tables.short(agent.name),
                pb.AgentStatus.Name(agent.status),
                in_words(agent),
                agent.display_name,
                f"{agent.load} of {agent.capacity.total}",
                ", ".join(agent.languages),
                ", ".join(tables.short(pool_name) for pool_name in agent.pools),
                ", ".join(f"{skill.skill} {skill.level}" for skill in agent.skills),
                tables.capacity(agent.capacity),
            )
    if not session.as_json:
        session.show(listing)
        session.say(f"{listing.row_count} agents, {count} of them free")


async def get(session: Session, agent: Name) -> None:
    """Show an agent and the reservations that the agent holds now."""
    async with session.client() as client:
        _show(session, await client.agent(agent))


async def set_status(
    session: Session,
    words: Annotated[list[str], typer.Argument(metavar="AGENT… STATUS", help=f"The agents and their {STATUSES}.")],
    pool: Annotated[str, typer.Option("--pool", help="All agents of this pool, in place of AGENT….")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, in a few words for colleagues: lunch.")] = "",
) -> int:
    """Set whether agents receive contacts. Exit code 1 if it failed for one of them; the others are set."""
    *agents, status = words
    if status.upper() not in Status.__members__:
        raise typer.BadParameter(f"{status!r} is none of {', '.join(Status)}", param_hint="STATUS")
    if bool(agents) == bool(pool):
        raise typer.BadParameter("give the agents or --pool, and the status last", param_hint="AGENT… STATUS")
    new = pb.AgentStatus.Value(status.upper())
    failed = 0
    async with session.client() as client:
        if pool:
            agents = [tables.short(agent.name) async for agent in client.agents(pool=pool)]
        for agent in agents:
            try:
                changed = await client.set_agent_status(agent, new, reason=reason)
            except MatcherCallError as error:
                if len(words) == 2 or not error.reason:
                    raise
                failed += 1
                session.note(f"{agent}: {describe(error, session.target)}", style="red")
                continue
            if session.as_json:
                session.write_json(changed)
            elif len(words) == 2:
                _show(session, changed)
            else:
                session.say(f"{agent} is {pb.AgentStatus.Name(changed.status)}")
    if pool or len(agents) > 1:
        session.say(f"{len(agents) - failed} agents set to {status.upper()}{f', {failed} failed' if failed else ''}")
    return 1 if failed else 0


async def delete(
    session: Session,
    agent: Name,
    etag: Annotated[str, typer.Option("--etag", help="Remove the agent only if it still has this etag.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Also where the agent holds reservations: the contacts go back.")
    ] = False,
) -> None:
    """Remove an agent."""
    async with session.client() as client:
        await client.delete_agent(agent, etag=etag, force=force)
    if session.as_json:
        session.write_json({"deleted": agent})
    session.say(f"deleted {agent}")


async def forget(
    session: Session,
    agent: Name,
    force: Annotated[
        bool, typer.Option("--force", help="Also where the agent holds reservations: the contacts go back.")
    ] = False,
) -> None:
    """Remove an agent, also one who was deleted before, with every trace: in customers, contacts, decisions, events."""
    async with session.client() as client:
        await client.forget_agent(agent, force=force)
    if session.as_json:
        session.write_json({"forgotten": agent})
    session.say(f"forgot {agent}")


async def export(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help='The file to write; "-": standard output.')],
    form: Annotated[Form | None, typer.Option("--format", help="The format; default: by the file's name.")] = None,
) -> None:
    """Write the site's agents to a file; importing that file changes nothing."""
    file_form = form_of(file, form)
    async with session.client() as client:
        agents = [agent async for agent in client.agents()]
    write_text(file, roster_text(file_form, agents))
    if file != "-":
        if session.as_json:
            session.write_json({"file": file, "agents": len(agents)})
        session.say(f"{len(agents)} agents written to {file}")


async def check(
    session: Session, pool: Annotated[str, typer.Option("--pool", help="Only agents in this pool.")] = ""
) -> int:
    """List the interests that no message can meet, by the serving model: exit code 1 if there are any."""
    listing = Listing(Column("agent"), Column("interest", text=True), Column("why it meets no message", text=True))
    async with session.client() as client:
        async for agent in client.agents(pool=pool):
            for silent in agent.silent_interests:
                if session.as_json:
                    reason = pb.SilentReason.Name(silent.reason)
                    session.write_json(
                        {"agent": tables.short(agent.name), "interest": silent.interest, "reason": reason}
                    )
                listing.add(tables.short(agent.name), silent.interest, tables.SILENT.get(silent.reason, ""))
    if not session.as_json:
        if listing.row_count:
            session.show(listing)
        session.say(f"{listing.row_count} interests meet no message")
    return 1 if listing.row_count else 0


def _show(session: Session, agent: pb.Agent) -> None:
    if session.as_json:
        session.write_json(agent)
    else:
        session.show(tables.agent(agent))
