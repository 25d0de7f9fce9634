"""A server of the store that cannot serve now is UNAVAILABLE or full, never an internal fault."""

from __future__ import annotations

import pytest
from redis._parsers.base import BaseParser

from matcher.errors import StoreFull, StoreUnavailable
from matcher.store.redis.address import parse_address
from matcher.store.redis.failover import FailoverClient
from matcher.store.redis.topology import ConnectionLimits

UNABLE = (
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
    "NOPERM User matcher has no permissions to run the 'fcall' command",
    "ERR The user executing the script can't run this command or subcommand script: matcher_reserve",
    "ERR ACL failure in script: User matcher has no permissions to run the 'set' command script: on @user_function:2.",
    "MISCONF Errors writing to the AOF file: No space left on device",
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica.",
    "CLUSTERDOWN Hash slot not served",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "NOREPLICAS Not enough good replicas to write.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "NOAUTH Authentication required.",
    "UNKILLABLE Sorry the script already executed write commands against the dataset.",
)
FULL = (
    "OOM command not allowed when used memory > 'maxmemory'.",
    "OOM command not allowed when used memory > 'maxmemory'. script: matcher_reserve, on @user_function:1.",
)


@pytest.fixture
async def client() -> FailoverClient:
    """Give a client of a store that is never called."""
    return FailoverClient(parse_address("redis://127.0.0.1:1"), ConnectionLimits(1, 1.0))


def replied(reply: str) -> Exception:
    """Return the exception that redis-py makes of a server's error."""
    fault = BaseParser.parse_error(reply)  # type: ignore[no-untyped-call]
    assert isinstance(fault, Exception)
    return fault


@pytest.mark.parametrize("reply", UNABLE)
async def test_a_server_that_cannot_serve_now_is_unavailable(client: FailoverClient, reply: str) -> None:
    """Whatever the reason, the caller is told to come again."""
    with pytest.raises(StoreUnavailable):
        client.raise_store_error(replied(reply))


@pytest.mark.parametrize("reply", FULL)
async def test_a_full_server_is_full(client: FailoverClient, reply: str) -> None:
    """A full store is told apart: only freeing helps."""
    with pytest.raises(StoreFull):
        client.raise_store_error(replied(reply))


async def test_a_fault_of_our_own_stays_a_fault(client: FailoverClient) -> None:
    """A verb that is wrong is not hidden behind an outage."""
    wrong = replied("WRONGTYPE Operation against a key holding the wrong kind of value")
    with pytest.raises(type(wrong)):
        client.raise_store_error(wrong)
