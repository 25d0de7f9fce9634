"""The models whose vectors lie in the store, and which of them answers."""

from __future__ import annotations

from dataclasses import dataclass

from matcher.store.codecs import fields_of, text
from matcher.store.keys import MODEL, MODEL_NAMES, MODELS, SITES, Keys
from matcher.store.redis.client import StoreClient


@dataclass(frozen=True, slots=True)
class KnownModel:
    """Name a model by its fingerprint, and as the settings named it."""

    fingerprint: str
    name: str


class ModelStore:
    """Keep which models have vectors here."""

    def __init__(self, connection: StoreClient) -> None:
        self._connection = connection

    async def add(self, model: KnownModel) -> None:
        """Remember that a model has vectors here, so that they go when an agent does."""
        await self._connection.run("ZADD", MODELS, 0, model.fingerprint)
        await self._connection.run("HSET", MODEL_NAMES, model.fingerprint, model.name)

    async def all(self) -> list[KnownModel]:
        """List the models, by fingerprint."""
        found, names = await self._connection.pipeline([("ZRANGE", MODELS, 0, -1), ("HGETALL", MODEL_NAMES)])
        by_fingerprint = fields_of(names)
        return [KnownModel(one.decode(), text(by_fingerprint, one.decode())) for one in found]

    async def answering(self) -> KnownModel | None:
        """Return the model whose vectors are complete and answer; None in a new store."""
        fingerprint = await self._connection.run("GET", MODEL)
        known = await self.all() if fingerprint else []
        return next((one for one in known if one.fingerprint == fingerprint.decode()), None)

    async def answer_by(self, model: KnownModel) -> None:
        """Say that a model's vectors are complete and answer from now on."""
        await self.add(model)
        await self._connection.run("SET", MODEL, model.fingerprint)

    async def forget(self, fingerprint: str) -> None:
        """Remove all vectors by a model, site by site, in steps that block nobody."""
        for site in await self._connection.run("ZRANGE", SITES, 0, -1):
            await self._connection.delete_matching(Keys(site.decode()).vectors(fingerprint, "*"))
        await self._connection.run("ZREM", MODELS, fingerprint)
        await self._connection.run("HDEL", MODEL_NAMES, fingerprint)
