"""The Redis Functions library of the store's verbs, made of lua/*.lua and of the table in verbs/.

Functions outlive a failover and a restart, after which cached scripts answer NOSCRIPT until they are loaded again. The
library's name carries a digest of its sources, so that two versions of the service can share a store.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from matcher.store.redis.lua_names import resolve_names
from matcher.store.redis.verb_call import CallPart, VerbCall, layout_of
from matcher.store.verbs import VERBS, ContactStep, Reserve, Transition

FILES: Final[Mapping[str, type[CallPart] | None]] = {
    "prelude": None,
    "quotas": None,
    "contact": ContactStep,
    "reservation": Transition,
    "candidates": Reserve,
    "reserve_quotas": Reserve,
    **VERBS,
}
"""Every file → the class whose names it uses; a file stands after those that it uses."""

PREFIX: Final = "matcher_"
"""What the name of every version's library begins with."""


@cache
def lua_text(name: str) -> str:
    """Return the text of lua/<name>.lua."""
    return (resources.files("matcher.store") / "lua" / f"{name}.lua").read_text("utf-8")


@cache
def _sources() -> str:
    """Return the Lua of every file, with positions for names. Raises NameError for a name that its class lacks."""
    return "\n".join(resolve_names(lua_text(name), layout_of(part) if part else None) for name, part in FILES.items())


@cache
def digest() -> str:
    """Return 8 hex digits of the sources."""
    return hashlib.sha256(_sources().encode()).hexdigest()[:8]


@cache
def function(verb: str) -> str:
    """Return the name by which FCALL knows a verb."""
    return f"matcher_{verb}_{digest()}"


def library() -> str:
    """Return the library's name."""
    return f"{PREFIX}{digest()}"


def is_library(name: str) -> bool:
    """Return whether a library is one of some version of this program: a store may be shared."""
    return re.fullmatch(f"{PREFIX}[0-9a-f]{{8}}", name) is not None


def code() -> str:
    """Return the library as FUNCTION LOAD takes it."""
    return f"#!lua name={library()}\n{_sources()}\n{''.join(map(_registered, VERBS))}"


def _registered(verb: str) -> str:
    """Return the Lua that registers a verb, behind the check that its site lives."""
    call, name, callback = VERBS[verb], function(verb), verb
    if call.in_a_life:
        callback = f"function(keys, args) return no_site(keys[{_position_of_life(call)}]) or {verb}(keys, args) end"
    flags = "'allow-oom'" if call.frees else ""
    return f"redis.register_function{{function_name = '{name}', callback = {callback}, flags = {{{flags}}}}}\n"


def _position_of_life(call: type[VerbCall]) -> int:
    """Return the position of the key `life` among the keys; in a list of calls that of the first. Raises ValueError."""
    layout = layout_of(call)
    keys = (layout.lists[0].layout if layout.of_calls else layout).keys
    return keys.lua.index("life") + 1
