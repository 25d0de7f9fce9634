"""`matcher models`: the models whose vectors lie in the store, beside the service that answers by one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from matcher.cli import tables
from matcher.cli.progress import steps
from matcher.cli.session import CommandError, Session, command
from matcher.config import Settings, load
from matcher.errors import MatcherError
from matcher.telemetry import configure_logs

if TYPE_CHECKING:
    from matcher.store.redis.client import StoreClient

GENTLE: Final = 1.0
"""Pauses as long as the work, so that a service on the same machine keeps half of it."""


def commands() -> typer.Typer:
    """Return the commands."""
    app = typer.Typer(
        name="models",
        help="The models whose vectors lie in the store of MATCHER_STORE_URL, or in MATCHER_DATA_DIR.",
        no_args_is_help=True,
    )
    command(app, "list", remote=False)(list_models)
    command(app, "encode", remote=False)(encode)
    command(app, "forget", remote=False)(forget)
    return app


async def list_models(session: Session) -> None:
    """List the models, and which of them answers."""
    from matcher.store.models import ModelStore

    async with _store() as (connection, _):
        models = ModelStore(connection)
        known, answering = await models.all(), await models.answering()
    made = tables.table("model", "fingerprint", "")
    for one in known:
        if session.as_json:
            session.write_json({"model": one.name, "fingerprint": one.fingerprint, "answers": one == answering})
        else:
            tables.add(made, one.name, one.fingerprint, "answers" if one == answering else "")
    if not session.as_json:
        session.out.print(made)


async def encode(
    session: Session,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The folder or hub id, as MATCHER_MODEL takes it.")],
    *,
    fast: Annotated[bool, typer.Option("--fast", help="Take the whole machine, not half of it.")] = False,
) -> None:
    """Encode the roster by another model, beside the vectors that answer, before MATCHER_MODEL names it.

    The service goes on meanwhile, and where it is told to change later it changes at once. What is written until then
    it encodes by itself.
    """
    from matcher.encoder import EncoderSettings, open_encoder
    from matcher.replica.model_change import encode_roster
    from matcher.store.models import KnownModel, ModelStore
    from matcher.store.roster import RosterStore

    async with _store() as (connection, settings):
        encoder = await open_encoder(
            EncoderSettings(settings.models_dir, model, settings.encoder_runtime, settings.encoder_threads),
            lambda step: session.note(step, style="dim"),
        )
        try:
            known = KnownModel(encoder.fingerprint, model)
            await ModelStore(connection).add(known)
            roster = RosterStore(connection, settings.events_kept)
            with _told(session) as told:
                await encode_roster(roster, encoder, told, rest=0.0 if fast else GENTLE)
        finally:
            await encoder.close()
    if session.as_json:
        session.write_json({"model": model, "fingerprint": known.fingerprint})
    session.say(f"the roster is encoded by {model} ({known.fingerprint}): MATCHER_MODEL={model} answers by it")


async def forget(
    session: Session,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model or its fingerprint, as listed.")],
) -> None:
    """Remove the vectors of a model that no process answers by any more."""
    from matcher.store.models import ModelStore

    async with _store() as (connection, _):
        models = ModelStore(connection)
        meant = [one for one in await models.all() if model in {one.name, one.fingerprint}]
        if len(meant) != 1:
            why = "is not listed" if not meant else "names several: give the fingerprint"
            raise CommandError(f"{model} {why}")
        if meant[0] == await models.answering():
            raise CommandError(f"{model} answers: its vectors stay")
        await models.forget(meant[0].fingerprint)
    if session.as_json:
        session.write_json({"forgotten": meant[0].fingerprint})
    session.say(f"forgot {meant[0].name} ({meant[0].fingerprint})")


@asynccontextmanager
async def _store() -> AsyncIterator[tuple[StoreClient, Settings]]:
    """Open the store that the settings name, also beside a running service."""
    from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
    from matcher.store.redis.client import StoreClient

    configure_logs("console", "WARNING")
    try:
        settings = load()
        url = settings.store_url.get_secret_value()
        embedded = None if url else await EmbeddedStore.open(EmbeddedSettings(settings.data_dir))
        try:
            connection = StoreClient(embedded.url if embedded else url, timeout_seconds=settings.store_timeout_seconds)
            try:
                await connection.start()
                yield connection, settings
            finally:
                await connection.close()
        finally:
            if embedded:
                await embedded.close()
    except MatcherError as fault:
        raise CommandError(str(fault)) from None


@contextmanager
def _told(session: Session) -> Iterator[Callable[[int, int], None]]:
    """Show how many agents are done, once it is known how many there are."""
    with ExitStack() as shown:
        step: Callable[[], None] | None = None
        before = 0

        def told(done: int, total: int) -> None:
            nonlocal step, before
            if step is None:
                step = shown.enter_context(steps(session.err, "encoding the roster", total))
            for _ in range(done - before):
                step()
            before = done

        yield told
