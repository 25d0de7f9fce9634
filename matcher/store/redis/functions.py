"""The Redis Functions library of the store's verbs, made of lua/*.lua and of the table in verbs.py.

Functions outlive a failover and a restart, after which cached scripts answer NOSCRIPT until they are loaded again. The
library's name carries a digest of its sources, so that two versions of the service can share a store.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import Final

from matcher.store.redis.verb_call import lua_readers
from matcher.store.verbs import VERBS

SHARED: Final = ("prelude", "contact", "reservation")
"""The files that the verbs share, each before those that use it."""


def lua_text(name: str) -> str:
    """Return the text of lua/<name>.lua."""
    return (resources.files("matcher.store") / "lua" / f"{name}.lua").read_text("utf-8")


@cache
def _sources() -> str:
    """Return the text of every file, then the functions that read the verbs' keys and arguments by the table."""
    return "\n".join([*map(lua_text, (*SHARED, *VERBS)), lua_readers(VERBS.values()), ""])


@cache
def digest() -> str:
    """Return 8 hex digits of the sources."""
    return hashlib.sha256(_sources().encode()).hexdigest()[:8]


@cache
def function(verb: str) -> str:
    """Return the name by which FCALL knows a verb."""
    return f"matcher_{verb}_{digest()}"


def code() -> str:
    """Return the library as FUNCTION LOAD takes it."""
    return f"#!lua name=matcher_{digest()}\n{_sources()}\n{''.join(map(_registered, VERBS))}"


def _registered(verb: str) -> str:
    return (
        f"redis.register_function('{function(verb)}', function(keys, args)\n"
        f"  local call = read_{verb}(keys, args, 0, 0)\n"
        f"  return {verb}(call.key, call.arg)\n"
        "end)\n"
    )
