"""`matcher health` and `matcher compile`: what a container is asked while it runs, and what it does before."""

from __future__ import annotations

from typing import Annotated, Any

import grpc
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from matcher.cli.session import CommandError, Session, command
from matcher.client import MatcherCallError
from matcher.errors import MatcherError

WAIT_SECONDS = 5.0


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "health")(health)
    command(app, "compile", remote=False)(compile_model)


async def health(
    session: Session,
    service: Annotated[
        str,
        typer.Option("--service", metavar="NAME", help="Which service; `liveness`: whether the process runs at all."),
    ] = "",
) -> int:
    """Ask the service whether it takes calls: exit code 0 if so, 1 if not."""
    async with session.channel() as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(
                health_pb2.HealthCheckRequest(service=service), timeout=session.timeout or WAIT_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise CommandError(f"there is no service {service!r} whose health could be asked") from None
            raise MatcherCallError.of_call(error) from None
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if session.as_json:
        session.write_json({"service": service, "status": status})
    session.say(status)
    return 0 if answer.status == health_pb2.HealthCheckResponse.SERVING else 1


async def compile_model(session: Session) -> None:
    """Compile the model of MATCHER_MODEL into MATCHER_MODEL_CACHE, where a start then finds it."""
    from matcher.config import load
    from matcher.encoder import EncoderSettings, open_encoder

    try:
        settings = load()
        encoder = await open_encoder(
            EncoderSettings(
                cache_dir=settings.models_dir,
                model=settings.model,
                runtime=settings.encoder_runtime,
                threads=settings.encoder_threads,
            ),
            lambda step: session.note(step, style="dim"),
        )
    except MatcherError as error:
        raise CommandError(error.message) from None
    fingerprint, runtime, reason = encoder.fingerprint, encoder.runtime, encoder.reason
    await encoder.close()
    if session.as_json:
        session.write_json({"fingerprint": fingerprint, "runtime": runtime, "reason": reason})
    session.say(f"{settings.model} ({fingerprint}) runs on {runtime}: {reason}")
