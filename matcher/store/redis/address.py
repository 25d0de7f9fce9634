"""Addresses of a store: one server, the primary that Sentinels name, or a cluster.

redis-py has no URLs for the last two. These are the forms that other clients use:

    redis://[user:password@]host[:port][/database]          unix://[user:password@]/path
    redis+sentinel://[user:password@]host[:port],host[:port]/service[/database]
    redis+cluster://[user:password@]host[:port],host[:port]

rediss://, rediss+sentinel:// and rediss+cluster:// speak TLS. `?sentinel_username=` and `?sentinel_password=` log in
to the Sentinels; every other option is an option of redis-py.
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
IGNORED_OPTIONS: Final = frozenset({"max_connections", "timeout", "protocol", "retry_on_timeout", "legacy_responses"})
"""Options of redis-py's connection pools, which the service does not use."""
_PARTS: Final = re.compile(
    r"(?P<scheme>\w+)(?:\+(?P<kind>\w+))?://(?:(?P<login>[^/?]*)@)?(?P<hosts>[^/?]*)(?P<path>[^?]*)(?:\?(?P<query>.*))?"
)
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+)(?::(?P<port>\d{1,5}))?")
_UNEXPECTED: Final = re.compile(r"unexpected keyword argument '(\w+)'")

Host = tuple[str, int]


class StoreKind(StrEnum):
    """The topology behind an address."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """The address of a store."""

    kind: StoreKind
    redacted: str
    """The URL without user, password and options."""
    hosts: tuple[Host, ...] = ()
    service: str = ""
    login: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Arguments of redis-py's connections: class, login, database and options; for a single server also its host."""
    sentinel_login: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Arguments of redis-py's Redis for a Sentinel, without host and port."""


def parse_address(url: str) -> StoreAddress:
    """Parse a store's URL. Raises ValueError, whose message says what is wrong and holds no secret."""
    parts = _PARTS.fullmatch(url)
    scheme, kind = (parts["scheme"], parts["kind"]) if parts else ("", None)
    if parts is None or scheme not in {"redis", "rediss", "unix"} or kind not in {None, "sentinel", "cluster"}:
        raise ValueError(f"it must begin with {SCHEMES}")
    if scheme == "unix":
        if kind or not parts["path"]:
            raise ValueError("a socket is unix:///path")
        return StoreAddress(StoreKind.SINGLE, f"unix://{parts['path']}", login=_arguments(url))
    hosts = _hosts(parts["hosts"] or "localhost", SENTINEL_PORT if kind == "sentinel" else REDIS_PORT)
    path, redacted = parts["path"], f"{url.partition('://')[0]}://{parts['hosts']}{parts['path']}"
    if kind is None:
        if len(hosts) > 1:
            raise ValueError(
                f"several hosts are Sentinels ({scheme}+sentinel://…/service) or a cluster ({scheme}+cluster://)"
            )
        return StoreAddress(StoreKind.SINGLE, redacted, hosts, login=_arguments(url))
    options = dict(parse_qsl(parts["query"] or ""))
    if kind == "sentinel":
        return _sentinel(scheme, redacted, hosts, parts["login"], path, options)
    if path.strip("/") or "db" in options:
        raise ValueError("a cluster has no databases: put nothing between its hosts and the options")
    return StoreAddress(StoreKind.CLUSTER, redacted, hosts, login=_login(scheme, parts["login"], "", options))


def _sentinel(
    scheme: str, redacted: str, hosts: tuple[Host, ...], login: str | None, path: str, options: dict[str, str]
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
        redacted,
        hosts,
        service,
        login=connection,
        sentinel_login={**own, **tls, **({"ssl": True} if scheme == "rediss" else {})},
    )


def host_port(host: Host) -> str:
    """Return host:port as in URLs, with brackets around an IPv6 address."""
    name, port = host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _hosts(text: str, port: int) -> tuple[Host, ...]:
    hosts = []
    for host in text.split(","):
        parts = _HOST.fullmatch(host)
        if parts is None or int(parts["port"] or port) > 65_535:
            raise ValueError("its hosts must be host:port,host:port; brackets go around IPv6 addresses")
        hosts.append((parts["name"].strip("[]"), int(parts["port"] or port)))
    return tuple(hosts)


def _login(scheme: str, login: str | None, path: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of a connection to any of several servers."""
    arguments = _arguments(f"{scheme}://{f'{login}@' if login else ''}any{path}?{urlencode(options)}")
    arguments.pop("host")
    return arguments


def _arguments(url: str) -> dict[str, Any]:
    """Return the arguments of redis-py's connection; `connection_class` is always among them."""
    arguments: dict[str, Any] = {"connection_class": TcpConnection, **parse_url(url)}
    arguments = {name: value for name, value in arguments.items() if name not in IGNORED_OPTIONS}
    options = {name: value for name, value in arguments.items() if name != "connection_class"}
    try:
        arguments["connection_class"](**options)
    except TypeError as fault:
        name = _UNEXPECTED.search(str(fault))
        raise ValueError(f"its option {name[1]} is unknown" if name else "one of its options is wrong") from None
    except RedisError:
        raise ValueError("one of its options is wrong") from None
    return arguments
