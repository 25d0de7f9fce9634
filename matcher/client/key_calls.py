"""Calls of KeyService: the access keys."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration

from matcher.client.connection import Connection
from matcher.v1 import keys_pb2 as pb


class KeyCalls(Connection):
    """Makes, lists, rotates and revokes access keys."""

    async def create_key(
        self,
        principal: str,
        grants: Sequence[pb.Grant],
        *,
        lifetime: float | None = None,
        deadline: float | None = None,
    ) -> pb.CreateKeyResponse:
        """Make the first key of a principal; lifetime: in seconds, None: until it is revoked."""
        request = create_request(principal, grants, lifetime)
        return await self._call(self._keys.CreateKey, request, deadline or self.deadlines.write)

    async def list_keys(self, *, deadline: float | None = None) -> pb.ListKeysResponse:
        """List all keys."""
        return await self._call(self._keys.ListKeys, pb.ListKeysRequest(), deadline or self.deadlines.read)

    async def rotate_key(
        self,
        principal: str,
        *,
        lifetime: float | None = None,
        overlap: float | None = None,
        deadline: float | None = None,
    ) -> pb.RotateKeyResponse:
        """Make the next key of a principal; overlap: how many seconds the present one counts on, None: as before."""
        request = rotate_request(principal, lifetime, overlap)
        return await self._call(self._keys.RotateKey, request, deadline or self.deadlines.write)

    async def revoke_key(
        self, key: str = "", *, principal: str = "", deadline: float | None = None
    ) -> pb.RevokeKeyResponse:
        """Revoke a key by its id, or every live key of a principal."""
        request = revoke_request(key, principal)
        return await self._call(self._keys.RevokeKey, request, deadline or self.deadlines.write)


def create_request(principal: str, grants: Sequence[pb.Grant], lifetime: float | None) -> pb.CreateKeyRequest:
    """Return a request of CreateKey."""
    return pb.CreateKeyRequest(principal=principal, grants=grants, lifetime=_duration(lifetime))


def rotate_request(principal: str, lifetime: float | None, overlap: float | None) -> pb.RotateKeyRequest:
    """Return a request of RotateKey."""
    return pb.RotateKeyRequest(principal=principal, lifetime=_duration(lifetime), overlap=_duration(overlap))


def revoke_request(key: str, principal: str) -> pb.RevokeKeyRequest:
    """Return a request of RevokeKey; key: an id or a name."""
    name = key if not key or key.startswith("keys/") else f"keys/{key}"
    return pb.RevokeKeyRequest(name=name, principal=principal)


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1_000_000_000))
    return duration
