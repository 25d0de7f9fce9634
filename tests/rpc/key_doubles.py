"""Double of the service of the access keys."""

# ruff: noqa: D102 - matcher/rpc/ports.py describes the methods and their arguments

from __future__ import annotations

from collections.abc import Sequence

from matcher.auth.access_keys import AccessKey
from matcher.auth.principal import Grant, Role
from tests.rpc.double import NOW_MS, Double

CRM = AccessKey(
    id="0123456789abcdef",
    principal="crm",
    digest=b"d" * 32,
    grants=(Grant(Role.SUPERVISOR, frozenset({"acme"}), frozenset({"billing"})),),
    created_ms=NOW_MS,
    expires_ms=NOW_MS + 60_000,
)


class KeysDouble(Double):
    """Answers as if there were one key: that of the CRM."""

    async def create(
        self, principal: str, grants: Sequence[Grant], lifetime_ms: int | None = None
    ) -> tuple[AccessKey, str]:
        return self.record("create_key", (CRM, "mk_text"), principal, grants, lifetime_ms)

    async def rotate(
        self, principal: str, lifetime_ms: int | None = None, overlap_ms: int | None = None
    ) -> tuple[AccessKey, str]:
        return self.record("rotate_key", (CRM, "mk_text"), principal, lifetime_ms, overlap_ms)

    async def revoke(self, *, key_id: str = "", principal: str = "") -> list[AccessKey]:
        return self.record("revoke_key", [CRM], key_id, principal)

    async def keys(self) -> list[tuple[AccessKey, int]]:
        return self.record("keys", [(CRM, NOW_MS + 1_000)])
