"""What the service may touch in the store."""

from __future__ import annotations

import re

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from matcher.store.redis.client import StoreClient
from matcher.store.redis.functions import FILES, lua_text
from tests.store.access import SCRIPTED, Admin, DeclaredConnection
from tests.store.stage import Stage


async def test_the_service_can_read_and_write_nothing_outside_m(product: StoreClient) -> None:
    """A store may be shared: what is not under m: is another's."""
    with pytest.raises(NoPermissionError):
        await product.run("SET", "other", "1")


async def test_a_verb_that_reaches_for_a_key_it_was_not_given_fails(
    declared: DeclaredConnection, admin: Admin, stage: Stage
) -> None:
    """The laws below run under this watch, so a key that is missing in KEYS cannot stay unnoticed."""
    await admin.execute_command(
        "FUNCTION LOAD",
        "#!lua name=reaching\nredis.register_function('reaching', function(keys, args) "
        "return redis.call('GET', args[1]) end)",
    )
    try:
        await declared.allow([stage.keys.due])
        with pytest.raises(ResponseError, match=r"(?i)permission|can't access|cannot access"):
            await declared.run_narrow("FCALL", "reaching", 1, stage.keys.due, stage.keys.load)
    finally:
        await admin.execute_command("FUNCTION DELETE", "reaching")


def test_the_verbs_call_only_listed_commands_and_none_that_walks_the_keys() -> None:
    """The list of the service's user is the whole list: nobody runs KEYS or SCAN inside a script."""
    called = set()
    for name in FILES:
        source = lua_text(name)
        called |= {command.lower() for command in re.findall(r"redis\.p?call\('(\w+)'", source)}
        assert len(re.findall(r"redis\.p?call\(", source)) == len(re.findall(r"redis\.p?call\('", source))
    assert called == set(SCRIPTED)
