"""The commands `matcher serve`, `matcher config` and `matcher sbom`; adds `matcher demo` too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from matcher.cli.columns import Column, Listing
from matcher.cli.demo import demo
from matcher.cli.gateway_beside import AddressMalformed, gateway_at
from matcher.cli.session import CommandError, Session, command
from matcher.errors import MatcherError, SettingsWrong

if TYPE_CHECKING:
    from matcher.config import SettingRow


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("serve")(serve)
    command(app, "config", remote=False)(config)
    command(app, "sbom", remote=False)(show_inventory)
    command(app, "demo", remote=False)(demo)


def serve(
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="The address to listen on; overrides MATCHER_LISTEN."),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="The folder of the store's data; overrides MATCHER_DATA_DIR.")
    ] = None,
    web: Annotated[
        str | None,
        typer.Option("--web", metavar="HOST:PORT", help="Run `matcher web` at this address beside the service."),
    ] = None,
) -> None:
    """Run the service until SIGTERM or Ctrl-C; `matcher config` lists its settings."""
    given: dict[str, Any] = {"listen": listen, "data_dir": data_dir}
    overrides = {name: value for name, value in given.items() if value is not None}
    # Imported here, because the settings and the service would slow down the start of every other command.
    from matcher.config import load

    try:
        settings = load(None, **overrides)
        from matcher.server import app

        if web is None:
            app.run(settings)
        else:
            gateway = gateway_at(web, tls=settings.tls_certificate is not None)
            try:
                app.run(settings, gateway.begin)
            finally:
                gateway.end()
    except AddressMalformed:
        Session().note(f"error: --web {web}: is not of the form HOST:PORT", style="red")
        raise typer.Exit(1) from None
    except MatcherError as error:
        message = str(error)
        for name in overrides:
            message = message.replace(f"MATCHER_{name.upper()}:", f"--{name.replace('_', '-')}")
        Session().note(f"error: {message}", style="red")
        raise typer.Exit(1) from None


async def config(
    session: Session,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table of README.md.")] = False,
) -> None:
    """Show every setting of the service, its value, and the source of the value."""
    from matcher.cli.service_settings import in_words
    from matcher.config import explain, markdown
    from matcher.server.announcement import running_services

    if as_markdown:
        session.out.print(markdown(), markup=False, highlight=False, soft_wrap=True)
        return
    try:
        rows = explain()
    except SettingsWrong as error:
        raise CommandError(error.message) from None
    table = Listing(Column("setting"), Column("value", text=True), Column("source"), Column("what it is", text=True))
    for row in rows:
        if session.as_json:
            session.write_json(
                {
                    "name": row.name,
                    "env": row.env,
                    "value": row.value,
                    "source": row.source,
                    "default": row.default,
                    "help": row.help,
                }
            )
        table.add(row.env, row.value, row.source, row.help, style=_style(row))
    for service in running_services():
        session.note(f"a service runs here: {in_words(service)}", style="dim")
    if session.as_json:
        return
    if table.fits(session.out.width):
        session.show(table)
        return
    # A setting that is cut off explains nothing.
    for row in rows:
        session.out.print(Text(f"{row.env}={row.value} ({row.source})", _style(row)), soft_wrap=True)
        session.out.print(Padding(Text(row.help), (0, 0, 0, 4)))


async def show_inventory(session: Session) -> None:
    """List the service and every library that it needs, with version and licence; --json: as a CycloneDX document."""
    from matcher.server.inventory import inventory, sbom

    parts = inventory()
    if session.as_json:
        session.write_json(sbom(parts))
        return
    table = Listing(Column("library"), Column("version"), Column("licence", text=True))
    for part in parts:
        table.add(part.name, part.version, part.licence)
    session.show(table)


def _style(row: SettingRow) -> str:
    return "bold" if row.source != "default" else ""
