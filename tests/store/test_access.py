"""The keys and commands that the service may use in the store."""

from __future__ import annotations

import re

import pytest

from matcher.errors import StoreUnavailable
from matcher.store.redis.client import StoreClient
from matcher.store.redis.functions import FILES, lua_text
from tests.store.access import SCRIPTED, Admin, DeclaredConnection
from tests.store.stage import Stage


async def test_the_service_can_read_and_write_nothing_outside_m(product: StoreClient) -> None:
    """A store may be shared: keys outside m: belong to other programs."""
    with pytest.raises(StoreUnavailable):
        await product.run("SET", "other", "1")


async def test_a_verb_that_uses_an_undeclared_key_fails(
    declared: DeclaredConnection, admin: Admin, stage: Stage
) -> None:
    """The tests of the verbs run under this restriction, so a key that is missing in KEYS fails a test."""
    await admin.execute_command(
        "FUNCTION LOAD",
        "#!lua name=reaching\nredis.register_function('reaching', function(keys, args) "
        "return redis.call('GET', args[1]) end)",
    )
    try:
        await declared.allow([stage.keys.due])
        with pytest.raises(StoreUnavailable, match=r"(?i)permission|can't access|cannot access"):
            await declared.run_narrow("FCALL", "reaching", 1, stage.keys.due, stage.keys.load)
    finally:
        await admin.execute_command("FUNCTION DELETE", "reaching")


def test_the_verbs_call_only_listed_commands_and_none_that_lists_keys() -> None:
    """The user's list of commands is complete: no script runs KEYS or SCAN."""
    called = set()
    for name in FILES:
        source = lua_text(name)
        called |= {command.lower() for command in re.findall(r"redis\.p?call\('(\w+)'", source)}
        assert len(re.findall(r"redis\.p?call\(", source)) == len(re.findall(r"redis\.p?call\('", source))
    assert called == set(SCRIPTED)
