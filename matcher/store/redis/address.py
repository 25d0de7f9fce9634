"""Addresses of a store: one server, the primary that Sentinels know of, or a cluster.

redis-py has no URLs for the last two. These are the forms that other clients have settled on:

    redis://[user:password@]host[:port][/database]          unix://[user:password@]/path
    redis+sentinel://[user:password@]host[:port],host[:port]/service[/database]
    redis+cluster://[user:password@]host[:port],host[:port]

rediss://, rediss+sentinel:// and rediss+cluster:// speak TLS. `?sentinel_username=` and `?sentinel_password=` log in
to the Sentinels; every other option is one of redis-py's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from redis.asyncio.connection import Connection as TcpConnection
from redis.asyncio.connection import parse_url
from redis.exceptions import RedisError

REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
SCHEMES: Final = "redis://, rediss://, unix://, redis[s]+sentinel:// or redis[s]+cluster://"
OF_POOLS: Final = frozenset({"max_connections", "timeout", "protocol", "retry_on_timeout", "legacy_responses"})
"""Options that redis-py knows and that say nothing here."""
_PARTS: Final = re.compile(
    r"(?P<scheme>\w+)(?:\+(?P<kind>\w+))?://(?:(?P<login>[^/?]*)@)?(?P<hosts>[^/?]*)(?P<path>[^?]*)(?:\?(?P<query>.*))?"
)
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+)(?::(?P<port>\d{1,5}))?")
_UNEXPECTED: Final = re.compile(r"unexpected keyword argument '(\w+)'")

Host = tuple[str, int]


class StoreKind(StrEnum):
    """What stands behind an address."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Say where a store is. `shown` tells it without user, password and options."""

    kind: StoreKind
    shown: str
    hosts: tuple[Host, ...] = ()
    service: str = ""
    login: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Arguments of redis-py's connections: class, login, database and options, and of a single server where it is."""
    sentinel_login: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Arguments of redis-py's Redis for a Sentinel, but host and port."""


def parse_address(url: str) -> StoreAddress:
    """Read a store's URL. Raises ValueError, which says what is wrong and shows no secret."""
    parts = _PARTS.fullmatch(url)
    scheme, kind = (parts["scheme"], parts["kind"]) if parts else ("", None)
    if parts is None or scheme not in {"redis", "rediss", "unix"} or kind not in {None, "sentinel", "cluster"}:
        raise ValueError(f"it must begin with {SCHEMES}")
    if scheme == "unix":
        if kind or not parts["path"]:
            raise ValueError("a socket is unix:///path")
        return StoreAddress(StoreKind.SINGLE, f"unix://{parts['path']}", login=_arguments(url))
    hosts = _hosts(parts["hosts"] or "localhost", SENTINEL_PORT if kind == "sentinel" else REDIS_PORT)
    path, shown = parts["path"], f"{url.partition('://')[0]}://{parts['hosts']}{parts['path']}"
    if kind is None:
        if len(hosts) > 1:
            raise ValueError(
                f"several hosts are Sentinels, {scheme}+sentinel://…/service, or a cluster, {scheme}+cluster://"
            )
        return StoreAddress(StoreKind.SINGLE, shown, hosts, login=_arguments(url))
    options = dict(parse_qsl(parts["query"] or ""))
    if kind == "sentinel":
        return _sentinel(scheme, shown, hosts, parts["login"], path, options)
    if path.strip("/") or "db" in options:
        raise ValueError("a cluster has no databases: nothing stands between its hosts and the options")
    return StoreAddress(StoreKind.CLUSTER, shown, hosts, login=_login(scheme, parts["login"], "", options))


def _sentinel(
    scheme: str, shown: str, hosts: tuple[Host, ...], login: str | None, path: str, options: dict[str, str]
) -> StoreAddress:
    service, _, database = path.strip("/").partition("/")
    if not service:
        raise ValueError(f"Sentinels need the name of the service: {scheme}+sentinel://host,host/service")
    if database and not database.isdecimal():
        raise ValueError("a database is a number: /service/0")
    own = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    connection = _login(scheme, login, f"/{database}" if database else "", options)
    tls = {name: value for name, value in connection.items() if name.startswith("ssl_")}
    return StoreAddress(
        StoreKind.SENTINEL,
        shown,
        hosts,
        service,
        login=connection,
        sentinel_login={**own, **tls, **({"ssl": True} if scheme == "rediss" else {})},
    )


def shown_host(host: Host) -> str:
    """Return a host and its port as URLs have them."""
    name, port = host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _hosts(text: str, port: int) -> tuple[Host, ...]:
    found = []
    for one in text.split(","):
        parts = _HOST.fullmatch(one)
        if parts is None or int(parts["port"] or port) > 65_535:
            raise ValueError("its hosts must be host:port,host:port; brackets go around IPv6 addresses")
        found.append((parts["name"].strip("[]"), int(parts["port"] or port)))
    return tuple(found)


def _login(scheme: str, login: str | None, path: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of a connection to any of several servers."""
    found = _arguments(f"{scheme}://{f'{login}@' if login else ''}any{path}?{urlencode(options)}")
    found.pop("host")
    return found


def _arguments(url: str) -> dict[str, Any]:
    """Return the arguments of redis-py's connection; `connection_class` is always among them."""
    found: dict[str, Any] = {"connection_class": TcpConnection, **parse_url(url)}
    found = {name: value for name, value in found.items() if name not in OF_POOLS}
    try:
        found["connection_class"](**{name: value for name, value in found.items() if name != "connection_class"})
    except TypeError as fault:
        name = _UNEXPECTED.search(str(fault))
        raise ValueError(f"its option {name[1]} is unknown" if name else "one of its options is wrong") from None
    except RedisError:
        raise ValueError("one of its options is wrong") from None
    return found
