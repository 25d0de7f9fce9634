"""The command `matcher web`: the API over HTTP and JSON, as a client of the service."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from matcher.cli.session import CommandError, Session, command

NO_EXTRA = "matcher web needs what `pip install 'affinity-matcher[web]'` installs"
NO_RIGHTS = (
    "matcher web calls the service with its visitors' own credentials: a certificate of its own would lend its rights "
    "to everybody; leave --tls-cert and --tls-key out"
)


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "web")(web)


async def web(
    session: Session,
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", help="The address to listen on; put TLS in front of any but loopback."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0: any that is free.")] = 8080,
    beside: Annotated[bool, typer.Option("--beside", help="End with standard input, as `serve --web` asks.")] = False,
) -> None:
    """Serve the API over HTTP and JSON until Ctrl-C, its description at /docs and /openapi.json, and the console.

    Every call goes on with the Authorization header of the request, and with no rights besides: --token-file and
    MATCHER_TOKEN are not used.
    """
    try:
        from matcher.web.calls import Service
        from matcher.web.serve import serve
    except ModuleNotFoundError as error:
        raise CommandError(f"{NO_EXTRA} ({error.name} is missing)") from None
    if session.tls_cert or session.tls_key:
        raise CommandError(NO_RIGHTS)
    service = Service(session.target, session.credentials(), session.deadlines())

    def ready(address: str) -> None:
        if session.as_json:
            session.write_json({"address": address, "service": session.target})
        else:
            session.say(
                f"HTTP and JSON on {address}, for the service at {session.target}: the console for a browser, "
                "the API's description at /docs"
            )
        session.flush()

    try:
        # A service that started this process holds its standard input open for as long as the service lives.
        await serve(service, host, port, ready, sys.stdin.fileno() if beside else None)
    except OSError as error:
        goes_on = "; the service goes on without HTTP" if beside else ""
        raise CommandError(f"{host}:{port} cannot be listened on: {error.strerror}{goes_on}") from None
