"""`matcher agents`, except the import."""

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
    """What an agent can declare."""

    ONLINE = "ONLINE"
    DRAINING = "DRAINING"
    OFFLINE = "OFFLINE"
    AWAY = "AWAY"


def commands() -> typer.Typer:
    """Return the commands."""
    app = typer.Typer(name="agents", help="The people who can be found.", no_args_is_help=True)
    command(app, "list")(list_agents)
    command(app, "get")(get)
    command(app, "set-status")(set_status)
    command(app, "delete")(delete)
    command(app, "import")(import_agents)
    command(app, "export")(export)
    return app


async def list_agents(
    session: Session,
    pool: Annotated[str, typer.Option("--pool", help="Only agents in this pool.")] = "",
    status: Annotated[
        Status | None, typer.Option("--status", case_sensitive=False, help="Only agents of this status.")
    ] = None,
) -> None:
    """List the site's agents."""
    made = tables.table("agent", "name", "status", "pools", "languages", "skills", "capacity")
    wanted = pb.AGENT_STATUS_UNSPECIFIED if status is None else pb.AgentStatus.Value(status.value)
    async with session.client() as client:
        async for agent in client.agents(pool=pool, status=wanted):
            if session.as_json:
                session.write_json(agent)
                continue
            tables.add(
                made,
                tables.short(agent.name),
                agent.display_name,
                pb.AgentStatus.Name(agent.status),
                ", ".join(tables.short(one) for one in agent.pools),
                ", ".join(agent.languages),
                ", ".join(f"{one.skill} {one.level}" for one in agent.skills),
                tables.capacity(agent.capacity),
            )
    if not session.as_json:
        session.out.print(made)
        session.say(f"{made.row_count} agents")


async def get(session: Session, agent: Name) -> None:
    """Show an agent, with what the agent holds now."""
    async with session.client() as client:
        _show(session, await client.agent(agent))


async def set_status(
    session: Session,
    agent: Name,
    status: Annotated[Status, typer.Argument(case_sensitive=False, help="The new status.")],
) -> None:
    """Declare whether an agent takes contacts."""
    async with session.client() as client:
        _show(session, await client.set_agent_status(agent, pb.AgentStatus.Value(status.value)))


async def delete(
    session: Session,
    agent: Name,
    etag: Annotated[str, typer.Option("--etag", help="Only if the agent is still at this etag.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Cancel what the agent holds.")] = False,
) -> None:
    """Remove an agent."""
    async with session.client() as client:
        await client.delete_agent(agent, etag=etag, force=force)
    if session.as_json:
        session.write_json({"deleted": agent})
    session.say(f"deleted {agent}")


async def export(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help='Where to; "-": standard output.')],
    form: Annotated[Form | None, typer.Option("--format", help="The form; by the file's name otherwise.")] = None,
) -> None:
    """Write the site's agents to a file that an import reads without a change."""
    written = form_of(file, form)
    async with session.client() as client:
        agents = [agent async for agent in client.agents()]
    write_roster(file, written, agents)
    if file != "-":
        if session.as_json:
            session.write_json({"file": file, "agents": len(agents)})
        session.say(f"{len(agents)} agents written to {file}")


def _show(session: Session, agent: pb.Agent) -> None:
    if session.as_json:
        session.write_json(agent)
    else:
        session.out.print(tables.agent(agent))
