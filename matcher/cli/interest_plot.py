"""The plot of `matcher suggest --plot`: the roster's interests in two dimensions with the message among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matcher.cli.progress import steps
from matcher.cli.service_settings import model_of
from matcher.cli.session import CommandError, Session
from matcher.cli.tables import short
from matcher.client import MatcherClient
from matcher.errors import MatcherError
from matcher.model import DEFAULT_POOL
from matcher.v1 import routing_pb2 as pb

MOST_DOTS: Final = 3_000
"""Interests drawn besides those that the message met; more dots would cover each other."""


async def plot(
    session: Session,
    client: MatcherClient,
    text: str,
    customer_interests: Sequence[str],
    pool: str,
    answer: pb.SuggestAgentsResponse,
    path: Path,
) -> None:
    """Read the roster from the service, encode it in this process, and write the map as PNG.

    The service returns no vectors, so this process encodes the interests and the message: by the service's model where
    the service runs on this machine, else by the model that its own settings name. Raises CommandError where the model
    or the file cannot be used.
    """
    from matcher.encoder import EncoderSettings, open_encoder
    from matcher.evaluation.extras import ExtraMissing
    from matcher.evaluation.interest_map import Meeting, draw_interests
    from matcher.evaluation.vector_cache import VectorCache
    from matcher.replica.text_reading import TEXT_READING

    reasons = [(candidate, reason) for candidate in answer.candidates for reason in candidate.reasons]
    met = dict.fromkeys(reason.interest for _, reason in reasons)
    roster = {
        interest: None async for agent in client.agents(pool=pool or DEFAULT_POOL) for interest in agent.interests
    }
    others = [interest for interest in roster if interest not in met]
    every = max(1, -(-len(others) // MOST_DOTS))
    interests = [*met, *others[::every]]
    if not interests:
        raise CommandError("the roster has no interests to draw")
    units = list(dict.fromkeys(_said(reason, text, customer_interests) for _, reason in reasons))
    units = units or [text, *customer_interests]
    place = {interest: number for number, interest in enumerate(interests)}
    meetings = [
        Meeting(
            units.index(_said(reason, text, customer_interests)),
            place[reason.interest],
            candidate.display_name or short(candidate.agent),
        )
        for candidate, reason in reasons
    ]
    try:
        settings = model_of(session)
        encoder = await open_encoder(
            EncoderSettings(settings.models_dir, settings.model, settings.encoder_runtime, settings.encoder_threads),
            lambda step: session.note(step, style="dim"),
            reading=TEXT_READING,
        )
        try:
            cache = VectorCache(encoder)
            missing = cache.missing([*interests, *units])
            with steps(session.err, "encoding the roster", len(missing)) as step:
                await cache.encode(missing, step)
            drawn = draw_interests(interests, units, cache.vectors([*interests, *units]), meetings, path)
        finally:
            await encoder.close()
    except (ExtraMissing, MatcherError) as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
    session.note(
        f"drew {drawn} by {settings.model}: {len(interests)} of {len(met) + len(others)} interests", style="dim"
    )


def _said(reason: pb.MatchReason, text: str, customer_interests: Sequence[str]) -> str:
    """Return the words of the message that met an interest, or the customer's interest that did."""
    if reason.source == pb.REASON_SOURCE_PROFILE:
        return customer_interests[int(reason.customer_interest)]
    return text[reason.start : reason.end]
