"""URLs of the store: the topology that each form names, and the errors of wrong URLs."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest

from matcher.config import load
from matcher.errors import SettingsWrong, StoreUnfit
from matcher.store.redis.address import StoreKind, parse_address
from matcher.store.redis.client import StoreClient
from tests.store.topologies.nodes import HOST, Node, free_port, running


@pytest.mark.parametrize(
    ("url", "kind", "redacted", "hosts", "service"),
    [
        ("redis://:s3cret@db", StoreKind.SINGLE, "redis://db", [("db", 6379)], ""),
        ("rediss://ann:s3cret@[::1]:7000/2", StoreKind.SINGLE, "rediss://[::1]:7000/2", [("::1", 7000)], ""),
        ("unix://ann:s3cret@/run/store.sock?db=3", StoreKind.SINGLE, "unix:///run/store.sock", [], ""),
        (
            "redis+sentinel://ann:s3cret@a,b:5000/desk/1?sentinel_password=s3cret",
            StoreKind.SENTINEL,
            "redis+sentinel://a,b:5000/desk/1",
            [("a", 26379), ("b", 5000)],
            "desk",
        ),
        (
            "rediss+cluster://:s3cret@a:7000,b?ssl_ca_certs=/s3cret",
            StoreKind.CLUSTER,
            "rediss+cluster://a:7000,b",
            [("a", 7000), ("b", 6379)],
            "",
        ),
    ],
)
def test_a_url_names_the_topology_of_the_store(
    url: str, kind: StoreKind, redacted: str, hosts: list[tuple[str, int]], service: str
) -> None:
    """One server, the primary that Sentinels name, or a cluster; the redacted address holds no secret."""
    address = parse_address(url)
    assert (address.kind, address.redacted, list(address.hosts), address.service) == (kind, redacted, hosts, service)
    assert "s3cret" in f"{address.login}{address.sentinel_login}"
    assert "s3cret" not in repr(address)


def test_sentinels_have_a_login_of_their_own() -> None:
    """The store's login is not sent to the Sentinels; TLS is used for both."""
    address = parse_address(
        "rediss+sentinel://ann:one@a/desk?sentinel_username=bob&sentinel_password=two&ssl_ca_certs=/c"
    )
    assert {name: address.login.get(name) for name in ("username", "password")} == {
        "username": "ann",
        "password": "one",
    }
    assert address.sentinel_login == {"username": "bob", "password": "two", "ssl_ca_certs": "/c", "ssl": True}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://:s3cret@db", "it must begin with redis://"),
        ("redis+sharded://:s3cret@db", "it must begin with redis://"),
        ("redis://:s3cret@a,b", "several hosts are Sentinels (redis+sentinel://"),
        ("redis+sentinel://:s3cret@a,b", "the name of the service"),
        ("redis+sentinel://:s3cret@a,b/desk/first", "a database is a number"),
        ("redis+cluster://:s3cret@a,b/1", "a cluster has no databases"),
        ("redis://:s3cret@a:99999", "host:port"),
        ("redis://:s3cret@::1", "brackets"),
        ("redis://:s3cret@a?sockettimeout=3", "its option sockettimeout is unknown"),
        ("redis://:s3cret@a?ssl_ca_certs=/c", "its option ssl_ca_certs is unknown"),
        ("unix://", "a socket is unix:///path"),
    ],
)
def test_a_wrong_url_is_a_wrong_setting(url: str, why: str) -> None:
    """The error names the setting and what is wrong with it, and does not contain the secret."""
    with pytest.raises(SettingsWrong) as wrong:
        load({"MATCHER_STORE_URL": url})
    assert "MATCHER_STORE_URL" in str(wrong.value)
    assert why in str(wrong.value)
    assert "s3cret" not in str(wrong.value)


async def test_a_server_of_another_kind_than_the_url_names_fails_the_start() -> None:
    """A cluster's server, a Sentinel and a single server under a wrong kind of URL: the error names the right kind."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        single = Node(Path(folder) / "single", {"maxmemory-policy": "allkeys-lru"})
        shard = Node(Path(folder) / "shard", {"cluster-enabled": "yes", "cluster-port": str(free_port())})
        sentinel = Node(Path(folder) / "sentinel", {"sentinel deny-scripts-reconfig": "yes"}, sentinel=True)
        async with running([single, shard, sentinel]):

            async def start_error(url: str) -> str:
                connection = StoreClient(url)
                with pytest.raises(StoreUnfit) as unfit:
                    await connection.start()
                await connection.close()
                return str(unfit.value)

            errors = await asyncio.gather(
                start_error(f"redis://{HOST}:{shard.port}"),
                start_error(f"redis://{HOST}:{sentinel.port}"),
                start_error(f"redis+cluster://{HOST}:{single.port}"),
                start_error(f"redis://{HOST}:{single.port}"),
            )
    for error, why in zip(
        errors,
        ["redis+cluster://host", "redis+sentinel://host", "cluster support disabled", "it must be noeviction"],
        strict=True,
    ):
        assert why in error
