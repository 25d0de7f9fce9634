"""The command `matcher route-many`: decides the messages of a file jointly."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from google.protobuf.json_format import ParseDict, ParseError

from matcher.cli import tables
from matcher.cli.call_errors import describe
from matcher.cli.candidate_tables import words_met
from matcher.cli.columns import Column, Listing
from matcher.cli.session import CommandError, Session, command
from matcher.client import MatcherCallError
from matcher.files.roster_jsonl import read_lines
from matcher.files.roster_rows import BadRow
from matcher.v1 import routing_pb2 as pb

MOST_AT_ONCE: Final = 256
_MESSAGE_FIELDS: Final = frozenset(pb.Message.DESCRIPTOR.fields_by_name)


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "route-many")(route_many)


async def route_many(
    session: Session,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.jsonl",
            help='One message a line: {"text": "…", "contact_id": "…", "pool": "…", …}, with the fields of Message and '
            'RouteMessageRequest; "-": standard input.',
        ),
    ],
) -> int:
    """Decide several messages by the jointly best assignment, 256 at a time, and reserve an agent for each.

    The exit code is 1 if a message failed; the other messages are decided all the same.
    """
    requests = list(_requests(_read(file)))
    if not requests:
        raise CommandError(f"{file} has no message")
    failed = 0
    table = Listing(
        Column("contact"), Column("agent"), Column("affinity"), Column("why", text=True), Column("words", text=True)
    )
    async with session.client() as client:
        for start in range(0, len(requests), MOST_AT_ONCE):
            batch = requests[start : start + MOST_AT_ONCE]
            results = await client.route_many(batch)
            failed += sum(result.HasField("status") for result in results)
            if session.as_json:
                session.write_json(pb.RouteMessagesResponse(results=results))
            for request, result in zip(batch, results, strict=True):
                table.add(*_row(session, request, result))
    if not session.as_json:
        session.show(table)
        if len(requests) > MOST_AT_ONCE:
            session.note(f"decided {MOST_AT_ONCE} at a time", style="dim")
    return 1 if failed else 0


def _row(
    session: Session, request: pb.RouteMessageRequest, result: pb.RouteMessagesResult
) -> tuple[str, str, str, str, str]:
    if result.HasField("status"):
        return (
            result.contact_id,
            "",
            "",
            f"failed: {describe(MatcherCallError.of_status(result.status), session.target)}",
            "",
        )
    answer = result.response
    match answer.WhichOneof("outcome"):
        case "reservation":
            words = words_met(answer.candidate.reasons, request.message.text, request.message.customer_interests)
            affinity, basis = f"{answer.candidate.affinity:.3f}", pb.Basis.Name(answer.reservation.basis)
            return result.contact_id, tables.short(answer.reservation.agent), affinity, basis, words
        case "queued":
            return result.contact_id, "", "", f"waits, at position {answer.queued.position}", ""
        case _:
            return result.contact_id, "", "", tables.unmatched(answer.unmatched.reason), ""


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None


def _requests(data: bytes) -> Iterator[pb.RouteMessageRequest]:
    """Yield the request of each line; raise CommandError at the first line that is not a request.

    The caller reads all requests before it routes the first.
    """
    for line in read_lines(data):
        if isinstance(line, BadRow):
            reasons = "; ".join(f"{violation.field} {violation.description}" for violation in line.violations)
            raise CommandError(f"line {line.line}: {reasons}")
        number, record = line
        message = {name: record.pop(name) for name in _MESSAGE_FIELDS & record.keys()}
        if message:
            record["message"] = message
        try:
            request = ParseDict(record, pb.RouteMessageRequest())
        except ParseError as error:
            # The parser's error may quote the customer's words; a terminal may show them.
            raise CommandError(f"line {number}: {str(error).splitlines()[0]}") from None
        request.contact_id = request.contact_id or f"line-{number}-{uuid.uuid4().hex[:12]}"
        yield request
