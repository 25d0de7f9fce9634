"""Names in a request: every site, pool and agent that any of its fields names, also in lists and nested messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from matcher.auth.authorizer import Asked
from matcher.model import DEFAULT_POOL

TEXTS: Final = frozenset(
    {
        "actor",
        "agent_id",
        "basis",
        "channel",
        "contact_id",
        "customer",
        "customer_interests",
        "customers",
        "display_name",
        "etag",
        "handle",
        "handles",
        "id",
        "interest",
        "interests",
        "kind",
        "key",
        "language",
        "languages",
        "manager",
        "media_type",
        "page_token",
        "paths",
        "place",
        "principal",
        "reason",
        "request_id",
        "resume_token",
        "scorer",
        "scorer_serving",
        "skill",
        "small_talk",
        "source",
        "status_reason",
        "text",
        "uid",
    }
)
"""The fields of requests that are no resource names: people's words, ids and tokens. Every other field of text is read
as a name, so that a field that is new here is not left unread."""

IDS: Final = {"site_id": "site", "pool_id": "pool"}
"""The fields that name a site or a pool by its id alone."""

DEFAULTED: Final = frozenset(
    {
        "RouteMessageRequest.pool",
        "RouteMessagesRequest.requests.pool",
        "SuggestAgentsRequest.pool",
        "GetCoverageRequest.pool",
        "GetInterestMapRequest.pool",
        "CreateAgentRequest.agent.pools",
    }
)
"""The fields that mean the site's default pool where they are empty."""

_Read: TypeAlias = Callable[[Any, "_Found"], None]


class _Found:
    """What was found in one request."""

    def __init__(self) -> None:
        self.sites = dict[str, None]()
        self.pools: list[tuple[str, str]] = []
        self.agents: list[tuple[str, str]] = []

    def name(self, value: str) -> None:
        """Note a resource name. What is not of the form of a name is refused by the validation, and names nothing."""
        parts = value.split("/", 4)
        if parts[0] != "sites" or len(parts) == 1:
            return
        site = parts[1]
        self.sites[site] = None
        if len(parts) == 4 and parts[2] == "pools":
            self.pools.append((site, parts[3]))
        elif len(parts) == 4 and parts[2] == "agents":
            self.agents.append((site, parts[3]))

    def site(self, identifier: str) -> None:
        """Note the id of a site."""
        self.sites[identifier] = None

    def pool(self, identifier: str) -> None:
        """Note the id of a pool of the request's site."""
        self.pools.append(("", identifier))


def asked_names(request: Message) -> Asked:
    """Return what a request names."""
    found = _Found()
    for read in _readers(request.DESCRIPTOR):
        read(request, found)
    return Asked(tuple(found.sites), found.pools, found.agents)


@cache
def _readers(request: Descriptor) -> tuple[_Read, ...]:
    return tuple(_fields(request, request.name, ()))


def _fields(message: Descriptor, path: str, within: tuple[Descriptor, ...]) -> Iterator[_Read]:
    """Yield a reader of each field of a message that may hold names. A map holds words and numbers."""
    for field in message.fields:
        inner, kind = f"{path}.{field.name}", field.message_type
        if field.type == FieldDescriptor.TYPE_STRING and field.name not in TEXTS:
            yield _text_reader(field, IDS.get(field.name, "name"), defaulted=inner in DEFAULTED)
        elif kind is not None and kind not in {*within, message} and not kind.GetOptions().map_entry:
            readers = tuple(_fields(kind, inner, (*within, message)))
            if readers:
                yield _message_reader(field, readers)


def _text_reader(field: FieldDescriptor, kind: str, *, defaulted: bool) -> _Read:
    name, is_list = field.name, field.is_repeated

    def read(message: Any, found: _Found) -> None:
        value = getattr(message, name)
        if not value:
            if defaulted:
                found.pool(DEFAULT_POOL)
        elif is_list:
            for item in value:
                note(found, item)
        else:
            note(found, value)

    def note(found: _Found, value: str) -> None:
        getattr(found, kind)(value)

    return read


def _message_reader(field: FieldDescriptor, readers: tuple[_Read, ...]) -> _Read:
    name, is_list = field.name, field.is_repeated

    def read(message: Any, found: _Found) -> None:
        if is_list:
            for item in getattr(message, name):
                for inner in readers:
                    inner(item, found)
        elif message.HasField(name):
            inner_message = getattr(message, name)
            for inner in readers:
                inner(inner_message, found)

    return read
