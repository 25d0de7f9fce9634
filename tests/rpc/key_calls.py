"""Valid requests about access keys, each with the call of a service that it becomes."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration

from matcher.auth.principal import Grant, Role
from matcher.v1 import keys_pb2

MAYA_NAME = "sites/default/agents/maya"
BILLING_NAME = "sites/default/pools/billing"

KEY_CALLS: dict[str, tuple[Any, tuple[str, tuple[Any, ...]]]] = {
    "make a key": (
        keys_pb2.CreateKeyRequest(
            principal="crm",
            grants=[
                keys_pb2.Grant(role=keys_pb2.ROLE_OWNER),
                keys_pb2.Grant(role=keys_pb2.ROLE_AGENT, sites=["sites/default"], agent=MAYA_NAME),
                keys_pb2.Grant(role=keys_pb2.ROLE_SUPERVISOR, sites=["sites/default"], pools=[BILLING_NAME]),
            ],
            lifetime=Duration(seconds=60),
        ),
        (
            "create_key",
            (
                "crm",
                (
                    Grant(Role.OWNER),
                    Grant(Role.AGENT, frozenset({"default"}), agent="maya"),
                    Grant(Role.SUPERVISOR, frozenset({"default"}), frozenset({"billing"})),
                ),
                60_000,
            ),
        ),
    ),
    "list keys": (keys_pb2.ListKeysRequest(), ("keys", ())),
    "rotate a key": (
        keys_pb2.RotateKeyRequest(principal="crm", overlap=Duration(seconds=9)),
        ("rotate_key", ("crm", None, 9_000)),
    ),
    "revoke a key": (keys_pb2.RevokeKeyRequest(name="keys/0123456789abcdef"), ("revoke_key", ("0123456789abcdef", ""))),
    "revoke the keys of a principal": (keys_pb2.RevokeKeyRequest(principal="crm"), ("revoke_key", ("", "crm"))),
}
