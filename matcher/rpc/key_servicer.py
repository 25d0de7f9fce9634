"""matcher.v1.KeyService: each method validates its request, calls the service of the keys and converts the answer."""

# ruff: noqa: N802 - the methods have their names on the wire

from __future__ import annotations

from typing import Final

from matcher.auth.access_keys import AccessKey
from matcher.auth.principal import ALL, Grant
from matcher.errors import AccessKeysOff
from matcher.model.resource_names import site_name
from matcher.rpc.grpc_types import Context
from matcher.rpc.ports import AccessKeyService
from matcher.rpc.resource_names import Kind, name
from matcher.rpc.times import timestamp
from matcher.rpc.validation import keys as check
from matcher.v1 import keys_pb2 as pb
from matcher.v1 import keys_pb2_grpc

_ROLES: Final = {role: number for number, role in check.ROLES.items()}


class KeyServicer(keys_pb2_grpc.KeyServiceServicer):
    """Serves the access keys."""

    def __init__(self, service: AccessKeyService | None) -> None:
        """Take the service of the keys; None: this process takes no keys."""
        self._service = service

    async def CreateKey(self, request: pb.CreateKeyRequest, _context: Context | None) -> pb.CreateKeyResponse:
        """Make the first key of a principal."""
        principal, grants, lifetime_ms = check.create(request)
        made, text = await self._keys.create(principal, grants, lifetime_ms)
        return pb.CreateKeyResponse(key=access_key(made), text=text)

    async def ListKeys(self, _request: pb.ListKeysRequest, _context: Context | None) -> pb.ListKeysResponse:
        """List all keys."""
        return pb.ListKeysResponse(keys=[access_key(key, used_ms) for key, used_ms in await self._keys.keys()])

    async def RotateKey(self, request: pb.RotateKeyRequest, _context: Context | None) -> pb.RotateKeyResponse:
        """Make the next key of a principal."""
        principal, lifetime_ms, overlap_ms = check.rotate(request)
        made, text = await self._keys.rotate(principal, lifetime_ms, overlap_ms)
        return pb.RotateKeyResponse(key=access_key(made), text=text)

    async def RevokeKey(self, request: pb.RevokeKeyRequest, _context: Context | None) -> pb.RevokeKeyResponse:
        """Revoke keys."""
        key_id, principal = check.revoke(request)
        revoked = await self._keys.revoke(key_id=key_id, principal=principal)
        return pb.RevokeKeyResponse(keys=map(access_key, revoked))

    @property
    def _keys(self) -> AccessKeyService:
        if self._service is None:
            raise AccessKeysOff
        return self._service


def access_key(key: AccessKey, used_ms: int = 0) -> pb.AccessKey:
    """Convert a key."""
    return pb.AccessKey(
        name=f"keys/{key.id}",
        principal=key.principal,
        grants=map(grant_message, key.grants),
        create_time=timestamp(key.created_ms),
        expire_time=timestamp(key.expires_ms),
        revoke_time=timestamp(key.revoked_ms),
        use_time=timestamp(used_ms),
    )


def grant_message(grant: Grant) -> pb.Grant:
    """Convert a grant."""
    sites = [] if grant.sites is ALL else sorted(grant.sites)
    pools = [] if grant.pools is ALL else sorted(grant.pools)
    return pb.Grant(
        role=_ROLES[grant.role],
        sites=map(site_name, sites),
        pools=(name(Kind.POOL, sites[0], pool) for pool in pools),
        agent=name(Kind.AGENT, sites[0], grant.agent) if grant.agent else "",
    )
