"""The commands `matcher health`, a container's health check, and `matcher compile`, a step of its build."""

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
    """Add the commands to the application."""
    command(app, "health")(health)
    command(app, "compile", remote=False)(compile_model)


async def health(
    session: Session,
    service: Annotated[
        str,
        typer.Option(
            "--service", metavar="NAME", help="The gRPC service, or `sites/NAME`; `liveness`: whether the process runs."
        ),
    ] = "",
) -> int:
    """Check whether the service accepts calls: exit code 0 if it does, 1 if not."""
    async with session.channel() as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(
                health_pb2.HealthCheckRequest(service=service), timeout=session.timeout or WAIT_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise CommandError(f"the server has no service {service!r} to check") from None
            raise MatcherCallError.of_call(error) from None
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if session.as_json:
        session.write_json({"service": service, "status": status})
    session.say(status)
    return 0 if answer.status == health_pb2.HealthCheckResponse.SERVING else 1


async def compile_model(session: Session) -> None:
    """Compile the model that MATCHER_MODEL names and store it in MATCHER_MODEL_CACHE, where the service loads it."""
    from matcher.cli.service_settings import with_models_of_service
    from matcher.encoder import EncoderSettings, open_encoder
    from matcher.replica.text_reading import TEXT_READING

    try:
        settings = with_models_of_service()
        encoder = await open_encoder(
            EncoderSettings(
                cache_dir=settings.models_dir,
                model=settings.model,
                runtime=settings.encoder_runtime,
                threads=settings.encoder_threads,
            ),
            lambda step: session.note(step, style="dim"),
            reading=TEXT_READING,
        )
    except MatcherError as error:
        raise CommandError(error.message) from None
    fingerprint, runtime, reason = encoder.fingerprint, encoder.runtime, encoder.reason
    await encoder.close()
    if session.as_json:
        session.write_json({"fingerprint": fingerprint, "runtime": runtime, "reason": reason})
    session.say(f"{settings.model} ({fingerprint}) runs on {runtime}: {reason}")
