"""The session of a command: its shared options, the client it calls the service with, and its output."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from matcher.cli.call_errors import describe
from matcher.cli.columns import wrapped
from matcher.cli.field_names import TextCommand, typed, typed_names
from matcher.cli.progress import clear_bar
from matcher.cli.terminal_text import visible
from matcher.client import Deadlines, MatcherCallError, MatcherClient
from matcher.client.connection import SILENCE
from matcher.client.credentials import TokenSource, token_of

DEFAULT_TARGET = "localhost:50051"
PANEL = "Every command"
HALF_A_CERTIFICATE = "--tls-cert and --tls-key belong together: give both"
WIDTH = 180
"""Columns where the output is not a terminal, so that a row stays on one line."""

Command = Callable[..., Awaitable[int | None]]


class CommandError(Exception):
    """An error that ends a command with one line about what its user can change."""


@dataclass(frozen=True, slots=True)
class Session:
    """The target of a command's calls and the form of its output."""

    target: str = DEFAULT_TARGET
    site: str = "default"
    timeout: float | None = None
    as_json: bool = False
    tls: bool = False
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    token: TokenSource | None = None
    out: Console = field(default_factory=lambda: _console(stderr=False))
    err: Console = field(default_factory=lambda: _console(stderr=True))

    def client(self) -> MatcherClient:
        """Return a client, to be opened with `async with`."""
        return MatcherClient(
            self.target,
            site=self.site,
            deadlines=self.deadlines(),
            credentials=self.credentials(),
            token=self.token,
        )

    def channel(self) -> grpc.aio.Channel:
        """Return a gRPC channel, to be opened with `async with`."""
        credentials = self.credentials()
        if credentials is not None:
            return grpc.aio.secure_channel(self.target, credentials)
        return grpc.aio.insecure_channel(self.target)

    def deadlines(self) -> Deadlines:
        """Return how long each class of calls may take."""
        return Deadlines() if self.timeout is None else Deadlines.all_at(self.timeout)

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return the credentials of TLS; None: the connection is not encrypted. Raises CommandError."""
        if not self.tls:
            return None
        if (self.tls_cert is None) != (self.tls_key is None):
            raise CommandError(HALF_A_CERTIFICATE)
        return grpc.ssl_channel_credentials(_read(self.tls_ca), _read(self.tls_key), _read(self.tls_cert))

    def write_json(self, document: Message | Mapping[str, Any]) -> None:
        """Write a JSON document on one line, in ASCII, so that no text in it can control the terminal."""
        sys.stdout.write(json.dumps(plain(document)) + "\n")

    def say(self, line: str) -> None:
        """Write a line for people, or nothing with `--json`; the line may hold text of customers and agents."""
        if not self.as_json:
            self.show(Text(in_lines(visible(line), self.out)))

    def show(self, content: RenderableType) -> None:
        """Print lists and facts as wide as they are: the terminal breaks the line of an id, and nothing cuts the id."""
        if self.out.is_terminal:
            clear_bar()
        self.out.print(content, soft_wrap=True)

    def flush(self) -> None:
        """Flush standard output, so that a reader of a pipe gets the lines written so far."""
        sys.stdout.flush()

    def note(self, line: str, style: str = "yellow") -> None:
        """Write a note to stderr, with `--json` as a JSON document."""
        if self.as_json:
            sys.stderr.write(json.dumps({"note": line}) + "\n")
            return
        self.err.print(Text(in_lines(visible(line), self.err), style=style), soft_wrap=True)

    def note_break(self, error: MatcherCallError) -> None:
        """Write to stderr that a stream broke off and is resumed."""
        why = error.message if error.message.startswith(SILENCE) else error.reason or error.code.name
        self.note(f"{why}: resuming")

    def fail(self, error: CommandError | MatcherCallError, names: Mapping[str, str]) -> None:
        """Write to stderr why a command failed; names: the command's parameters by their names on the command line."""
        if self.as_json:
            sys.stderr.write(json.dumps({"error": _error_document(error, self, names)}) + "\n")
        else:
            message = describe(error, self.target, names) if isinstance(error, MatcherCallError) else str(error)
            self.note(f"error: {message}", style="red")
            if isinstance(error, MatcherCallError) and not error.reason:
                for contact, request in error.request_ids.items():
                    self.note(json.dumps({"contact_id": contact, "request_id": request}), style="red")


def _error_document(
    error: CommandError | MatcherCallError, session: Session, names: Mapping[str, str]
) -> dict[str, Any]:
    if isinstance(error, CommandError):
        return {"code": "", "reason": "", "message": str(error)}
    document: dict[str, Any] = {
        "code": error.code.name,
        "reason": error.reason,
        "message": error.message if error.reason else describe(error, session.target),
    }
    if error.metadata:
        document["metadata"] = dict(error.metadata)
    if error.violations:
        document["violations"] = [
            {"field": wrong.field, "typed": typed(wrong.field, names), "description": wrong.description}
            for wrong in error.violations
        ]
    if error.retry_after is not None:
        document["retry_after_seconds"] = error.retry_after
    if error.request_id:
        document["request_id"] = error.request_id
    if error.request_ids:
        document["request_ids"] = dict(error.request_ids)
    return document


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH
    return console


def in_lines(line: str, console: Console) -> str:
    """Return a line broken between words where it is longer than the terminal is wide; elsewhere as it is."""
    if not console.is_terminal or cell_len(line) <= console.width:
        return line
    said = line.lstrip(" ")
    indent = line[: len(line) - len(said)]
    return "\n".join(indent + part for part in wrapped(said, console.width - len(indent)))


def plain(document: Message | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document as the values of JSON, with the names of the API's fields."""
    if isinstance(document, Message):
        plain: Mapping[str, Any] = MessageToDict(
            document, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        return plain
    return document


def command(
    app: typer.Typer,
    name: str,
    *,
    remote: bool = True,
    store: bool = False,
    own_options: bool = False,
    group: bool = False,
) -> Callable[[Command], Command]:
    """Add an asynchronous command whose first argument is its session.

    The session's options come after the command's own. A command that is not `remote` has only `--json` of them; a
    command that opens the service's `store` by itself also has `--server`; a command with `own_options` has none. A
    command that is a `group` is the application itself, where none of its commands is named.
    """
    session_of = _store_session if store else _session if remote else _local_session

    def add(function: Command) -> Command:
        given = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        names = typed_names(given)

        def run(**arguments: Any) -> None:
            own = {parameter.name: arguments.pop(parameter.name) for parameter in given}
            raise typer.Exit(_run(function, _session(**arguments), own, names))

        options = inspect.signature(session_of, eval_str=True).parameters.values()
        shared = () if own_options else tuple(options)
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*given, *shared)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__doc__ = function.__doc__
        if group:
            app.callback(invoke_without_command=True)(_unless_named(run))
        else:
            app.command(name, cls=TextCommand if "text" in names else None)(run)
        return function

    return add


def _unless_named(run: Callable[..., None]) -> Callable[..., None]:
    """Return a group's own command, which does nothing where one of the group's commands is named."""

    def run_alone(context: typer.Context, **arguments: Any) -> None:
        if context.invoked_subcommand is None:
            run(**arguments)

    of_context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = inspect.signature(run).parameters.values()
    run_alone.__signature__ = inspect.Signature([of_context, *parameters])  # type: ignore[attr-defined]
    run_alone.__annotations__ = {"context": typer.Context, **run.__annotations__}
    run_alone.__doc__ = run.__doc__
    return run_alone


AsJson = Annotated[bool, typer.Option("--json", help="Write JSON only.", rich_help_panel=PANEL)]


def _read(path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None


def _session(
    *,
    server: Annotated[
        str,
        typer.Option(
            "--server",
            envvar="MATCHER_TARGET",
            help="The service's address.",
            metavar="HOST:PORT",
            rich_help_panel=PANEL,
        ),
    ] = DEFAULT_TARGET,
    site: Annotated[
        str, typer.Option("--site", envvar="MATCHER_SITE", help="The site.", rich_help_panel=PANEL)
    ] = "default",
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            min=0.001,
            help="The most seconds that a call may take; a stream may take any time.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    tls: Annotated[
        bool, typer.Option("--tls", help="Use TLS, with the system's certificate authorities.", rich_help_panel=PANEL)
    ] = False,
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            "--tls-ca",
            envvar="MATCHER_TLS_CA",
            help="Use TLS, with the certificate authorities of this file.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            "--tls-cert",
            envvar="MATCHER_TLS_CLIENT_CERT",
            help="Use TLS, and present the certificate of this file.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            "--tls-key",
            envvar="MATCHER_TLS_CLIENT_KEY",
            help="The private key of --tls-cert.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            envvar="MATCHER_TOKEN_FILE",
            help="The file with the access key or the token to present; the key itself may be in MATCHER_TOKEN.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    token_command: Annotated[
        str | None,
        typer.Option(
            "--token-command",
            envvar="MATCHER_TOKEN_COMMAND",
            help="The command that prints the token to present.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    as_json: AsJson = False,
) -> Session:
    uses_tls = tls or any(file is not None for file in (tls_ca, tls_cert, tls_key))
    return Session(
        server, site, timeout, as_json, uses_tls, tls_ca, tls_cert, tls_key, token_of(token_file, token_command)
    )


def _store_session(
    server: Annotated[
        str,
        typer.Option(
            "--server",
            envvar="MATCHER_TARGET",
            help="The service whose store is opened, where several run on this machine.",
            metavar="HOST:PORT",
            rich_help_panel=PANEL,
        ),
    ] = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> Session:
    return Session(server, as_json=as_json)


def _local_session(as_json: AsJson = False) -> Session:
    return Session(as_json=as_json)


def _run(function: Command, session: Session, arguments: Mapping[str, object], names: Mapping[str, str]) -> int:
    try:
        return asyncio.run(_awaited(function, session, arguments)) or 0
    except (MatcherCallError, CommandError) as error:
        session.fail(error, names)
        return 1
    except BrokenPipeError:
        # The reader of the output is gone, as with `| head`; Python's flush at exit must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM


async def _awaited(function: Command, session: Session, arguments: Mapping[str, object]) -> int | None:
    return await function(session, **arguments)


def text_argument(text: str) -> str:
    """Return the text of an argument, or of standard input for "-"; raise CommandError where it is not UTF-8."""
    if text == "-":
        try:
            return sys.stdin.buffer.read().decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise CommandError(f"standard input is not UTF-8 (byte {error.start})") from None
    if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
        raise CommandError("the text is not UTF-8")
    return text
