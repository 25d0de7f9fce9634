"""The command line `matcher`: commands that call the API, start the service, evaluate a match and run a load test."""

from __future__ import annotations

from importlib import metadata
from typing import Annotated

import typer

from matcher.cli import (
    access_commands,
    agent_commands,
    audit_commands,
    backup_commands,
    contact_commands,
    container_commands,
    coverage_command,
    customer_commands,
    decision_commands,
    doctor_commands,
    evaluate_commands,
    impact_commands,
    key_commands,
    learn_command,
    ledger_commands,
    lexicon_commands,
    loadtest_command,
    model_commands,
    outcome_commands,
    pool_commands,
    praise_commands,
    reservation_commands,
    roles_command,
    route_many_command,
    routing_commands,
    service_commands,
    site_commands,
    store_commands,
    transfer_commands,
    tune_command,
    watch_commands,
    web_command,
    why_command,
)

app = typer.Typer(
    name="matcher",
    help="Find the free agent with the closest affinity to a customer's message.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"matcher {metadata.version('affinity-matcher')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version, and exit."),
    ] = False,
) -> None:
    """Find the free agent with the closest affinity to a customer's message."""
    del version


service_commands.add_to(app)
web_command.add_to(app)
container_commands.add_to(app)
doctor_commands.add_to(app)
routing_commands.add_to(app)
route_many_command.add_to(app)
reservation_commands.add_to(app)
transfer_commands.add_to(app)
watch_commands.add_to(app)
why_command.add_to(app)
coverage_command.add_to(app)
roles_command.add_to(app)
evaluate_commands.add_to(app)
learn_command.add_to(app)
tune_command.add_to(app)
backup_commands.add_to(app)
loadtest_command.add_to(app)
app.add_typer(agent_commands.commands())
app.add_typer(pool_commands.commands())
app.add_typer(contact_commands.commands())
app.add_typer(customer_commands.commands())
app.add_typer(impact_commands.commands())
app.add_typer(outcome_commands.commands())
app.add_typer(praise_commands.commands())
app.add_typer(decision_commands.commands())
app.add_typer(site_commands.commands())
app.add_typer(lexicon_commands.commands())
app.add_typer(model_commands.commands())
app.add_typer(store_commands.commands())
app.add_typer(ledger_commands.commands())
app.add_typer(audit_commands.commands())
app.add_typer(key_commands.commands())
app.add_typer(access_commands.commands())


def main() -> None:
    """Run the command line."""
    app()
