"""Access keys by the store itself, with the checks of the service: the first key is made before anybody may call."""

from __future__ import annotations

from collections.abc import Sequence

from matcher.client.key_calls import create_request, revoke_request, rotate_request
from matcher.rpc.key_servicer import KeyServicer
from matcher.services.access_keys import AccessKeyService
from matcher.store.access_keys import AccessKeyStore
from matcher.store.redis.client import StoreClient
from matcher.v1 import keys_pb2 as pb


class LocalKeys:
    """Takes the calls of KeyService, and answers them by an open store."""

    def __init__(self, connection: StoreClient) -> None:
        self._service = KeyServicer(AccessKeyService(AccessKeyStore(connection)))

    async def create_key(
        self, principal: str, grants: Sequence[pb.Grant], *, lifetime: float | None = None
    ) -> pb.CreateKeyResponse:
        """Make the first key of a principal."""
        return await self._service.CreateKey(create_request(principal, grants, lifetime), None)

    async def list_keys(self) -> pb.ListKeysResponse:
        """List all keys."""
        return await self._service.ListKeys(pb.ListKeysRequest(), None)

    async def rotate_key(
        self, principal: str, *, lifetime: float | None = None, overlap: float | None = None
    ) -> pb.RotateKeyResponse:
        """Make the next key of a principal."""
        return await self._service.RotateKey(rotate_request(principal, lifetime, overlap), None)

    async def revoke_key(self, key: str = "", *, principal: str = "") -> pb.RevokeKeyResponse:
        """Revoke a key, or every live key of a principal."""
        return await self._service.RevokeKey(revoke_request(key, principal), None)
