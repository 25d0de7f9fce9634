"""A message as the search compares it: its units with their vectors and stems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from matcher.affinity.comparable import Unknown
from matcher.affinity.compared import ComparedUnits, compared_units, profile_units, with_whole
from matcher.affinity.language import ENGLISH, language_of
from matcher.affinity.lexicon import stems
from matcher.affinity.sentences import Sentences
from matcher.affinity.small_talk import SmallTalk
from matcher.encoder import Encoder, unknown_words
from matcher.errors import EncoderOverloaded, ModelUnusable, ServiceOverloaded
from matcher.index import Beside, Query
from matcher.model import Degraded, Message, Pool, ProfileUnit, WhenOverloaded
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoder_share import EncoderShare
from matcher.routing.kept_vectors import kept_rows, to_keep
from matcher.routing.message_reading import AT_ONCE, in_reader
from matcher.store.remembered import StoredProfile
from matcher.store.sealer import WaitingVectors
from matcher.telemetry.tracing import step

LINE: Final = "\n"


class LateStems:
    """The stems of some texts, made at the first call. It has no repr: a customer's words are never logged."""

    __slots__ = ("_stems", "texts")

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self._stems: list[tuple[str, ...]] | None = None

    def __call__(self) -> list[tuple[str, ...]]:
        """Return the stems of each text."""
        if self._stems is None:
            self._stems = [stems(text) for text in self.texts]
        return self._stems


NO_STEMS: Final = LateStems(())


@dataclass(frozen=True, slots=True, repr=False)
class EncodedMessage:
    """A message's units, their vectors [units, dimension] and the stems of those of the text. Never logged.

    The units of the customer's profile follow those of the text.
    """

    units: Sentences
    vectors: NDArray[np.float32]
    stems: list[tuple[str, ...]]
    degraded: Degraded | None = None
    """Why the message has no units: it was not encoded, and its pool wants the least utilized agent then."""
    language: str = ""
    """The tag of the language in which the whole text is written; "": unknown."""
    texts: Sequence[str] = ()
    """What was compared of each unit of the text, without the unit that is the text as a whole."""
    whole: float = 0.0
    """The weight of the unit that is the text as a whole, where there is one."""
    profile_stems: LateStems = NO_STEMS
    """The stems of each unit of the customer's profile."""
    own: Sequence[str] = ()
    """What the first vectors were computed from: those of the message and of the interests that it brings along."""
    model: str = ""
    """The fingerprint of the model that computed the vectors."""

    def to_keep(self) -> WaitingVectors | None:
        """Return the message's own vectors as they are sealed where the contact waits; None: they are not kept."""
        return to_keep(self.vectors[: len(self.own)], self.own, self.model)

    def query(self, floor: float, profile_weight: float) -> Query:
        """Return the message as the search takes it.

        floor: below it the customer's profile counts; profile_weight: the factor of its evidence then.
        """
        said, brought = len(self.units.spans), len(self.units.profile)
        if not brought and not self.units.whole:
            return Query(self.vectors, self.stems)
        weights = [1.0] * said
        if self.units.whole:
            weights[-1] = self.whole
        if not brought:
            return Query(self.vectors, self.stems, weights)
        return Query(
            self.vectors, self.stems, weights + [profile_weight] * brought, Beside(said, floor, self.profile_stems)
        )


async def encode_message(
    replica: SiteReplica,
    message: Message,
    pool: Pool | None = None,
    profile: StoredProfile | None = None,
    share: EncoderShare | None = None,
    until: float | None = None,
    kept: WaitingVectors | None = None,
) -> EncodedMessage:
    """Split a message that was read into units, and encode them.

    pool: whose own small talk is no unit. profile: the interests that the customer agreed to leave. share: encode them
    within a share of the encoder, a few at a time; until: as of `EncoderShare.of`. kept: vectors of the message that
    were computed before, and are used where they are of the same texts by the same model.
    """
    encoder = replica.matching.encoder
    small_talk = SmallTalk.of_pool(pool.policy.small_talk if pool else ())
    if message.interests and pool and not pool.policy.profile_weight:
        message = replace(message, interests=())
    cut = partial(cut_message, unknown=partial(unknown_words, encoder), small_talk=small_talk)
    characters = len(message.text) + sum(map(len, message.interests))
    compared, known_stems = cut(message) if characters <= AT_ONCE else await in_reader(cut, message)
    english, whole = compared.language == ENGLISH, _whole_weight(replica, pool)
    whole_texts = [compared.whole_text] if whole and compared.whole_text else []
    if whole_texts:
        compared = replace(compared, units=with_whole(compared.units))
        known_stems.append(())
    texts, model = [*compared.texts, *whole_texts, *compared.profile_texts], encoder.fingerprint
    vectors = kept_rows(kept, texts, model)
    if vectors is None:
        vectors = await _encode(encoder, compared.texts, english, share, until)
        for more, in_english in ((whole_texts, False), (compared.profile_texts, compared.profile_language == ENGLISH)):
            if more:
                vectors = np.concatenate([vectors, await _encode(encoder, more, in_english, share, until)])
    encoded = EncodedMessage(
        compared.units,
        vectors,
        known_stems,
        language=compared.language,
        texts=compared.texts,
        whole=whole,
        profile_stems=LateStems(compared.profile_texts),
        own=texts,
        model=model,
    )
    wanted = pool is None or pool.policy.profile_weight > 0
    return with_profile(encoded, profile) if profile and wanted else encoded


def _whole_weight(replica: SiteReplica, pool: Pool | None) -> float:
    """Return the weight that the pool's scorer gives to a message as a whole; 0: it is not compared."""
    return replica.index.scorer_of(pool.id).whole if pool else 0.0


async def _encode(
    encoder: Encoder, texts: Sequence[str], english: bool | None, share: EncoderShare | None, until: float | None
) -> NDArray[np.float32]:
    if share is None or not texts:
        return await encoder.encode(texts, english=english)
    vectors = []
    for some in slices(texts, share.at_once):
        async with share.of(sum(map(len, some)), until):
            vectors.append(await encoder.encode(some, english=english))
    return np.concatenate(vectors)


async def encode_or_fall_back(
    replica: SiteReplica,
    pool: Pool,
    message: Message,
    profile: StoredProfile | None = None,
    share: EncoderShare | None = None,
    until: float | None = None,
    kept: WaitingVectors | None = None,
) -> EncodedMessage:
    """Encode a message as `encode_message` does; where that fails, return a message without units if its pool wants it.

    A message without units meets no interest, so it gets the least utilized agent. Raises what the encoder raises,
    where the pool's when_overloaded is REFUSE.
    """
    try:
        with step("encode"):
            return await encode_message(replica, message, pool, profile, share, until, kept)
    except (EncoderOverloaded, ServiceOverloaded, ModelUnusable) as fault:
        if pool.policy.when_overloaded is not WhenOverloaded.FALLBACK:
            raise
        why = Degraded.ENCODER_BROKEN if isinstance(fault, ModelUnusable) else Degraded.ENCODER_FULL
    return without_units(replica, message, why)


def without_units(replica: SiteReplica, message: Message, degraded: Degraded | None = None) -> EncodedMessage:
    """Return a message that meets no interest: the least utilized agent gets it. degraded: why, where it has a text."""
    nothing = np.empty((0, replica.matching.encoder.dimension), np.float32)
    return EncodedMessage(Sentences((), merged=False, set_aside=message.set_aside), nothing, [], degraded)


def with_profile(encoded: EncodedMessage, profile: StoredProfile) -> EncodedMessage:
    """Add the interests that the customer agreed to leave, each a unit; not those that say nothing."""
    if profile.rows is None:
        return encoded
    said = np.flatnonzero(profile.rows.any(axis=1)).tolist()
    units = (ProfileUnit(profile.interests[place].id, profile.shareable) for place in said)
    return replace(
        encoded,
        units=msgspec.structs.replace(encoded.units, profile=(*encoded.units.profile, *units)),
        vectors=np.concatenate([encoded.vectors, profile.rows[said]]),
        language=encoded.language or ("" if encoded.units.spans else _language_of(profile)),
        profile_stems=LateStems([*encoded.profile_stems.texts, *(profile.interests[place].text for place in said)]),
    )


def _language_of(profile: StoredProfile) -> str:
    return language_of(LINE.join(interest.text for interest in profile.interests), "")


def cut_message(
    message: Message, *, unknown: Unknown, small_talk: SmallTalk
) -> tuple[ComparedUnits, list[tuple[str, ...]]]:
    """Return what is compared of a message and of the customer's interests, and the stems of the message's units."""
    compared = compared_units(message, unknown=unknown, small_talk=small_talk)
    if message.interests:
        profile, texts = profile_units(message, unknown)
        units = msgspec.structs.replace(compared.units, profile=profile)
        language = language_of(LINE.join(message.interests), message.requirements.language)
        compared = replace(
            compared,
            units=units,
            language=compared.language or ("" if compared.texts else language),
            profile_texts=texts,
            profile_language=language,
        )
    return compared, [stems(text) for text in compared.texts]


def slices(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    """Yield the texts in order, in groups of at most `most` characters; a longer text is a group of its own."""
    some: list[str] = []
    characters = 0
    for text in texts:
        if some and characters + len(text) > most:
            yield some
            some, characters = [], 0
        some.append(text)
        characters += len(text)
    yield some
