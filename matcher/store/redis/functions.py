"""The verbs: one Redis Functions library, made of lua/*.lua.

Functions outlive a failover and a restart, where cached scripts answer NOSCRIPT until someone loads them again. The
library's name carries a digest of its sources, so that two versions of the service can share a store.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import Final

SHARED: Final = ("prelude", "contact", "reservation")
"""What the verbs share, in the order it is built up."""

VERBS: Final = (
    "reserve",
    "reserve_in_order",
    "accept",
    "decline",
    "renew",
    "complete",
    "cancel",
    "withdraw",
    "touch",
    "rest",
    "expire",
    "leave",
    "beat",
    "miss_beat",
    "lead",
    "give_back",
    "link",
    "remember",
    "put_agent",
    "put_status",
    "put_vectors",
    "delete_agent",
    "put_pool",
    "delete_pool",
)


@cache
def _sources() -> str:
    folder = resources.files("matcher.store") / "lua"
    return "\n".join((folder / f"{name}.lua").read_text("utf-8") for name in (*SHARED, *VERBS))


@cache
def digest() -> str:
    """Return 8 hex digits of the sources."""
    return hashlib.sha256(_sources().encode()).hexdigest()[:8]


@cache
def function(verb: str) -> str:
    """Return the name a verb is called by."""
    return f"matcher_{verb}_{digest()}"


def code() -> str:
    """Return the library as FUNCTION LOAD takes it."""
    registered = "\n".join(f"redis.register_function('{function(verb)}', {verb})" for verb in VERBS)
    return f"#!lua name=matcher_{digest()}\n{_sources()}\n{registered}\n"
