"""The commands of `matcher models`: list, encode and forget the models whose vectors the store keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Final

import typer

from matcher.cli.columns import Column, Listing
from matcher.cli.progress import steps
from matcher.cli.session import CommandError, Session, command
from matcher.cli.store_access import store_of_service

GENTLE: Final = 1.0
"""Pauses that are as long as the work, so that a service on the same machine keeps half of the machine."""


def commands() -> typer.Typer:
    """Return the commands of `matcher models`."""
    app = typer.Typer(
        name="models",
        help="Models: those whose vectors are in the store of the service that runs here, or of the settings.",
        no_args_is_help=True,
    )
    command(app, "list", store=True)(list_models)
    command(app, "encode", store=True)(encode)
    command(app, "forget", store=True)(forget)
    return app


async def list_models(session: Session) -> None:
    """List the models and mark the one that the service answers by."""
    from matcher.store.models import ModelStore

    async with store_of_service(session) as (connection, _):
        models = ModelStore(connection)
        all_models, answering = await models.all(), await models.answering()
    table = Listing(Column("model"), Column("fingerprint"), Column(""))
    for model in all_models:
        if session.as_json:
            session.write_json({"model": model.name, "fingerprint": model.fingerprint, "answers": model == answering})
        else:
            table.add(model.name, model.fingerprint, "answers" if model == answering else "")
    if not session.as_json:
        session.show(table)


async def encode(
    session: Session,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model, as MATCHER_MODEL takes it.")],
    *,
    fast: Annotated[bool, typer.Option("--fast", help="Use the whole machine instead of half of it.")] = False,
) -> None:
    """Encode the roster by another model before MATCHER_MODEL names it; the vectors of the current model stay.

    The service keeps running. When MATCHER_MODEL changes later, the service changes over at once, and encodes only
    the interests that were written in between.
    """
    from matcher.encoder import EncoderSettings, open_encoder
    from matcher.replica.model_change import encode_roster
    from matcher.replica.text_reading import TEXT_READING
    from matcher.store.models import KnownModel, ModelStore
    from matcher.store.roster import RosterStore

    async with store_of_service(session) as (connection, settings):
        encoder = await open_encoder(
            EncoderSettings(settings.models_dir, model, settings.encoder_runtime, settings.encoder_threads),
            lambda step: session.note(step, style="dim"),
            reading=TEXT_READING,
        )
        try:
            stored = KnownModel(encoder.fingerprint, model)
            await ModelStore(connection).add(stored)
            roster = RosterStore(connection, settings.events_kept)
            with _progress(session) as on_progress:
                await encode_roster(roster, encoder, on_progress, rest=0.0 if fast else GENTLE)
        finally:
            await encoder.close()
    if session.as_json:
        session.write_json({"model": model, "fingerprint": stored.fingerprint})
    session.say(f"the roster is encoded by {model} ({stored.fingerprint}): MATCHER_MODEL={model} answers by it")


async def forget(
    session: Session,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model or its fingerprint, as listed.")],
) -> None:
    """Remove the vectors of a model that no process uses any more."""
    from matcher.store.models import ModelStore

    async with store_of_service(session) as (connection, _):
        models = ModelStore(connection)
        matches = [stored for stored in await models.all() if model in {stored.name, stored.fingerprint}]
        if len(matches) != 1:
            why = "is not listed" if not matches else "names several models: give the fingerprint"
            raise CommandError(f"{model} {why}")
        if matches[0] == await models.answering():
            raise CommandError(f"the service answers by {model}: its vectors cannot be removed")
        await models.forget(matches[0].fingerprint)
    if session.as_json:
        session.write_json({"forgotten": matches[0].fingerprint})
    session.say(f"forgot {matches[0].name} ({matches[0].fingerprint})")


@contextmanager
def _progress(session: Session) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that shows how many agents are encoded; the first call, which has the total, starts the bar."""
    with ExitStack() as bar:
        step: Callable[[], None] | None = None
        before = 0

        def on_progress(done: int, total: int) -> None:
            nonlocal step, before
            if step is None:
                step = bar.enter_context(steps(session.err, "encoding the roster", total))
            for _ in range(done - before):
                step()
            before = done

        yield on_progress
