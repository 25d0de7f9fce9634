"""The commands of `matcher agents`; the import has a module of its own."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from matcher.cli import tables
from matcher.cli.import_command import import_agents
from matcher.cli.roster_file import Form, form_of, write_roster
from matcher.cli.session import Session, command
from matcher.v1 import roster_pb2 as pb

Name = Annotated[str, typer.Argument(metavar="AGENT", help="The agent.")]


class Status(StrEnum):
    """A status that an agent can set."""

    ONLINE = "ONLINE"
    DRAINING = "DRAINING"
    OFFLINE = "OFFLINE"
    AWAY = "AWAY"


def commands() -> typer.Typer:
    """Return the commands of `matcher agents`."""
    app = typer.Typer(name="agents", help="Agents: the people who serve contacts.", no_args_is_help=True)
    command(app, "list")(list_agents)
    command(app, "get")(get)
    command(app, "set-status")(set_status)
    command(app, "delete")(delete)
    command(app, "import")(import_agents)
    command(app, "export")(export)
    command(app, "check")(check)
    return app


async def list_agents(
    session: Session,
    pool: Annotated[str, typer.Option("--pool", help="Only agents in this pool.")] = "",
    status: Annotated[
        Status | None, typer.Option("--status", case_sensitive=False, help="Only agents of this status.")
    ] = None,
) -> None:
    """List the site's agents."""
    table = tables.table("agent", "name", "status", "pools", "languages", "skills", "capacity")
    status_filter = pb.AGENT_STATUS_UNSPECIFIED if status is None else pb.AgentStatus.Value(status.value)
    async with session.client() as client:
        async for agent in client.agents(pool=pool, status=status_filter):
            if session.as_json:
                session.write_json(agent)
                continue
            tables.add(
                table,
                tables.short(agent.name),
                agent.display_name,
                pb.AgentStatus.Name(agent.status),
                ", ".join(tables.short(pool_name) for pool_name in agent.pools),
                ", ".join(agent.languages),
                ", ".join(f"{skill.skill} {skill.level}" for skill in agent.skills),
                tables.capacity(agent.capacity),
            )
    if not session.as_json:
        session.out.print(table)
        session.say(f"{table.row_count} agents")


async def get(session: Session, agent: Name) -> None:
    """Show an agent and the reservations that the agent holds now."""
    async with session.client() as client:
        _show(session, await client.agent(agent))


async def set_status(
    session: Session,
    agent: Name,
    status: Annotated[Status, typer.Argument(case_sensitive=False, help="The new status.")],
) -> None:
    """Set whether an agent receives contacts."""
    async with session.client() as client:
        _show(session, await client.set_agent_status(agent, pb.AgentStatus.Value(status.value)))


async def delete(
    session: Session,
    agent: Name,
    etag: Annotated[str, typer.Option("--etag", help="Remove the agent only if it still has this etag.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Cancel the reservations that the agent holds.")] = False,
) -> None:
    """Remove an agent."""
    async with session.client() as client:
        await client.delete_agent(agent, etag=etag, force=force)
    if session.as_json:
        session.write_json({"deleted": agent})
    session.say(f"deleted {agent}")


async def export(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help='The file to write; "-": standard output.')],
    form: Annotated[Form | None, typer.Option("--format", help="The format; default: by the file's name.")] = None,
) -> None:
    """Write the site's agents to a file; importing that file changes nothing."""
    file_form = form_of(file, form)
    async with session.client() as client:
        agents = [agent async for agent in client.agents()]
    write_roster(file, file_form, agents)
    if file != "-":
        if session.as_json:
            session.write_json({"file": file, "agents": len(agents)})
        session.say(f"{len(agents)} agents written to {file}")


async def check(
    session: Session, pool: Annotated[str, typer.Option("--pool", help="Only agents in this pool.")] = ""
) -> int:
    """List the interests that no message can meet, by the serving model: exit code 1 if there are any."""
    table = tables.table("agent", "interest", "why it meets no message")
    async with session.client() as client:
        async for agent in client.agents(pool=pool):
            for silent in agent.silent_interests:
                if session.as_json:
                    reason = pb.SilentReason.Name(silent.reason)
                    session.write_json(
                        {"agent": tables.short(agent.name), "interest": silent.interest, "reason": reason}
                    )
                tables.add(table, tables.short(agent.name), silent.interest, tables.SILENT.get(silent.reason, ""))
    if not session.as_json:
        if table.row_count:
            session.out.print(table)
        session.say(f"{table.row_count} interests meet no message")
    return 1 if table.row_count else 0


def _show(session: Session, agent: pb.Agent) -> None:
    if session.as_json:
        session.write_json(agent)
    else:
        session.out.print(tables.agent(agent))
