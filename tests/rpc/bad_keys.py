"""Invalid requests of KeyService, each with its wrong fields."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration

from matcher.v1 import keys_pb2 as pb

ACME = "sites/acme"
MAYA = "sites/acme/agents/maya"
BILLING = "sites/acme/pools/billing"


def granting(**fields: Any) -> pb.CreateKeyRequest:
    """Return a request for a key with one grant of these fields."""
    return pb.CreateKeyRequest(principal="crm", grants=[pb.Grant(**fields)])


KEY_CASES: dict[str, tuple[Any, set[str]]] = {
    "a key for nobody and nothing": (pb.CreateKeyRequest(), {"principal", "grants"}),
    "a principal with a space": (
        pb.CreateKeyRequest(principal="the crm", grants=[pb.Grant(role=pb.ROLE_OWNER)]),
        {"principal"},
    ),
    "a grant without a role": (granting(sites=[ACME]), {"grants[0].role"}),
    "a grant of an unknown role": (granting(role=99), {"grants[0].role"}),
    "a grant for what is no site": (granting(role=pb.ROLE_ADMIN, sites=["acme"]), {"grants[0].sites[0]"}),
    "a pool of another site": (
        granting(role=pb.ROLE_SUPERVISOR, sites=["sites/other"], pools=[BILLING]),
        {"grants[0].pools[0]"},
    ),
    "pools without a site": (granting(role=pb.ROLE_SUPERVISOR, pools=[BILLING]), {"grants[0]"}),
    "a desk of no agent": (granting(role=pb.ROLE_AGENT, sites=[ACME]), {"grants[0]"}),
    "an agent in another role": (granting(role=pb.ROLE_ADMIN, sites=[ACME], agent=MAYA), {"grants[0]"}),
    "a desk of two sites": (granting(role=pb.ROLE_AGENT, sites=[ACME, "sites/b"], agent=MAYA), {"grants[0]"}),
    "a key for a second": (
        pb.CreateKeyRequest(principal="crm", grants=[pb.Grant(role=pb.ROLE_OWNER)], lifetime=Duration(seconds=1)),
        {"lifetime"},
    ),
    "a rotation of nobody": (
        pb.RotateKeyRequest(lifetime=Duration(seconds=-1), overlap=Duration(seconds=-1)),
        {"principal", "lifetime", "overlap"},
    ),
    "a revocation of nothing": (pb.RevokeKeyRequest(), {"name"}),
    "a revocation of two things": (pb.RevokeKeyRequest(name="keys/0123456789abcdef", principal="crm"), {"name"}),
    "a key's text in place of its name": (pb.RevokeKeyRequest(name="mk_0123456789abcdef_x"), {"name"}),
}
