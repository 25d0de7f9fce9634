"""The command `matcher loadtest`: reads the plan of a load test from its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matcher.cli.session import HALF_A_CERTIFICATE, CommandError, Session, command
from matcher.loadtest import plan

DEFAULT_RATE = 50.0


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "loadtest", own_options=True)(loadtest)


async def loadtest(
    session: Session,
    *,
    rate: Annotated[
        float | None, typer.Option("--rate", metavar="N", help="Requests a second; default: 50.", show_default=False)
    ] = None,
    ramp: Annotated[
        str | None, typer.Option("--ramp", metavar="FROM:TO", help="Instead of --rate: a rate that changes linearly.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, max=plan.LONGEST_SECONDS, help="How long requests are sent.")
    ] = 30.0,
    agents: Annotated[
        int, typer.Option("--agents", min=1, max=plan.MOST_AGENTS, help="Agents of the test's own site.")
    ] = 1_000,
    free: Annotated[
        float, typer.Option("--free", metavar="SHARE", min=0.0, max=1.0, help="Share of the agents who are online.")
    ] = 0.2,
    interests: Annotated[int, typer.Option("--interests", min=1, max=64, help="Interests of each agent.")] = 5,
    messages: Annotated[
        Path | None,
        typer.Option("--messages", help='Texts to route, JSON lines with "text"; default: generated texts.'),
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option("--roster", help="Agents whose interests the test's agents get; default: generated interests."),
    ] = None,
    channels: Annotated[
        int, typer.Option("--channels", min=1, max=plan.MOST_CHANNELS, help="Connections, over all processes.")
    ] = 4,
    processes: Annotated[
        int, typer.Option("--processes", min=1, max=plan.MOST_PROCESSES, help="Processes that send requests.")
    ] = 2,
    hold: Annotated[
        float,
        typer.Option(
            "--hold",
            min=0.0,
            max=plan.LONGEST_HOLD_SECONDS,
            help="Seconds from the decision to the end of a reservation.",
        ),
    ] = 0.0,
    deadline: Annotated[
        float, typer.Option("--timeout", min=0.01, max=60.0, help="Seconds that a route may take.")
    ] = 10.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the arrivals, the texts and the agents.")] = 1,
    workers: Annotated[
        int,
        typer.Option("--workers", min=1, max=plan.MOST_PROCESSES, help="Workers of the service that the test starts."),
    ] = 1,
    server: Annotated[
        str | None,
        typer.Option(
            "--server", metavar="HOST:PORT", help="A running service; default: the test starts and stops one."
        ),
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Use TLS, with the system's certificate authorities.")] = False,
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            "--tls-ca", envvar="MATCHER_TLS_CA", help="Use TLS, with the certificate authorities of this file."
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            "--tls-cert", envvar="MATCHER_TLS_CLIENT_CERT", help="Use TLS, and present the certificate of this file."
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option("--tls-key", envvar="MATCHER_TLS_CLIENT_KEY", help="The private key of --tls-cert."),
    ] = None,
    i_know: Annotated[
        bool, typer.Option("--i-know", help="Confirm a load test of a service that is not on this machine.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a report with plots.")] = None,
) -> None:
    """Send the service requests at a rate that does not depend on its answers, and print the latencies.

    The test creates a site of its own, fills it, and deletes it at the end. The latency of a request starts at the
    moment the request is due, even if it is sent later.
    """
    if rate is not None and ramp is not None:
        raise CommandError("--rate and --ramp exclude each other: give one of them")
    steady_rate = DEFAULT_RATE if rate is None else rate
    try:
        load_plan = plan.Plan(
            plan.Ramp.read(ramp, seconds) if ramp else plan.Ramp(steady_rate, steady_rate, seconds),
            plan.Roster(agents, free, interests),
            seed=seed,
            channels=channels,
            processes=processes,
            hold_seconds=hold,
            deadline_seconds=deadline,
        )
    except plan.PlanWrong as error:
        raise CommandError(str(error)) from None
    target = _target(server, tls, tls_ca, tls_cert, tls_key, i_know)
    # Imported here, because its libraries would slow down the start of every other command.
    from matcher.cli.loadtest_session import run_plan

    await run_plan(
        session, load_plan, target, workers, messages=messages, roster=roster, json_file=json_file, html_file=html_file
    )


def _target(
    server: str | None, tls: bool, tls_ca: Path | None, tls_cert: Path | None, tls_key: Path | None, i_know: bool
) -> plan.Target | None:
    if server is None:
        return None
    if (tls_cert is None) != (tls_key is None):
        raise CommandError(HALF_A_CERTIFICATE)
    files = [None if file is None else str(file) for file in (tls_ca, tls_cert, tls_key)]
    target = plan.Target(server, tls or any(files), *files)
    if not target.is_loopback and not i_know:
        raise CommandError(f"{server} is not this machine: confirm the load test with --i-know")
    return target
