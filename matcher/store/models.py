"""The store of models: which have vectors here, and which one is in use."""

from __future__ import annotations

from dataclasses import dataclass

from matcher.store.codecs import fields_of, text
from matcher.store.keys import MODEL, MODEL_NAMES, MODELS, SITES, Keys
from matcher.store.redis.client import StoreClient


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model's fingerprint, and its name in the settings."""

    fingerprint: str
    name: str


class ModelStore:
    """Record which models have vectors here, and which one is in use."""

    def __init__(self, connection: StoreClient) -> None:
        self._connection = connection

    async def add(self, model: KnownModel) -> None:
        """Record that a model has vectors here, so that they are removed with their agent."""
        if self._connection.schema.writes == 1:
            # Versions that read schema 1 only know a model by this key.
            await self._connection.run("ZADD", MODELS, 0, model.fingerprint)
        await self._connection.run("HSET", MODEL_NAMES, model.fingerprint, model.name)

    async def all(self) -> list[KnownModel]:
        """List the models, by fingerprint."""
        return await known_models(self._connection)

    async def answering(self) -> KnownModel | None:
        """Return the model in use, whose vectors are complete; None in a new store."""
        fingerprint = await self._connection.run("GET", MODEL)
        models = await self.all() if fingerprint else []
        return next((model for model in models if model.fingerprint == fingerprint.decode()), None)

    async def answer_by(self, model: KnownModel) -> None:
        """Put a model into use: its vectors are complete."""
        await self.add(model)
        await self._connection.run("SET", MODEL, model.fingerprint)

    async def forget(self, fingerprint: str) -> None:
        """Remove all vectors of a model, site by site, in steps that do not block the store."""
        for site in await self._connection.run("ZRANGE", SITES, 0, -1):
            await self._connection.delete_matching(Keys(site.decode()).vectors(fingerprint, "*"))
        # Also with schema 2: a migration that is still to run would bring the model back.
        await self._connection.run("ZREM", MODELS, fingerprint)
        await self._connection.run("HDEL", MODEL_NAMES, fingerprint)


async def known_models(connection: StoreClient) -> list[KnownModel]:
    """Return the models that have vectors in the store, by fingerprint: those of schema 1 and those of schema 2."""
    unnamed, names = await connection.pipeline([("ZRANGE", MODELS, 0, -1), ("HGETALL", MODEL_NAMES)])
    by_fingerprint = fields_of(names)
    fingerprints = {*by_fingerprint, *(member.decode() for member in unnamed)}
    return [KnownModel(fingerprint, text(by_fingerprint, fingerprint)) for fingerprint in sorted(fingerprints)]
