"""Requests made from the descriptors: a request of every method that names what is in one site and one pool."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from matcher import v1
from matcher.v1 import roster_pb2, routing_pb2
from tests.auth.guarded import message_class

_MODULES: Final = [
    importlib.import_module(f"matcher.v1.{found.name}")
    for found in pkgutil.iter_modules(v1.__path__)
    if found.name.endswith("_pb2")
]

METHODS: Final = {
    f"/{service.full_name}/{method.name}": method
    for module in _MODULES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
"""Every method of the service's own descriptors, by its name on the wire."""

NAMES: Final = {
    "parent": "",
    "name": "",
    "pool": "pools",
    "pools": "pools",
    "agent": "agents",
    "excluded_agents": "agents",
    "reservation": "reservations",
    "contact": "contacts",
    "open_contacts": "contacts",
    "ended_contacts": "contacts",
    "decisions": "decisions",
    "sites": "",
}
"""The fields of requests that hold resource names → the kind, "" where it depends on the method."""

_KINDS: Final = {
    "Reservation": "reservations",
    "EndWrapUp": "reservations",
    "Contact": "contacts",
    "Decision": "decisions",
    "Customer": "customers",
    "Agent": "agents",
    "Pool": "pools",
    "Site": "",
}
"""What stands in the name of a method → the kind of what it names."""


@dataclass(frozen=True)
class Place:
    """A site with a pool, and what is in the pool."""

    site: str
    pool: str
    agents: str = "nobody"
    contacts: str = "nothing"
    reservations: str = "nothing"
    decisions: str = "nothing"
    customers: str = "nobody"

    def name(self, kind: str) -> str:
        """Return the name of what there is of a kind; "": the site's."""
        if not kind:
            return f"sites/{self.site}"
        return f"sites/{self.site}/{kind}/{self.pool if kind == 'pools' else getattr(self, kind)}"


def kind_of(method: str) -> str:
    """Return the kind of what a method's request names in `name`."""
    return next((kind for word, kind in _KINDS.items() if word in method), "")


def requests_of(method: Any, place: Place, *, names_pool: bool = True) -> list[Any]:
    """Return what a caller sends: one request; of a stream of requests several. names_pool False: no optional pool."""
    if method.client_streaming:
        config = roster_pb2.ImportConfig(parent=place.name(""))
        row = roster_pb2.ImportRow(row=1, agent_id=place.agents, agent=_agent(place, "maya", names_pool=names_pool))
        return [roster_pb2.ImportAgentsRequest(config=config), roster_pb2.ImportAgentsRequest(row=row)]
    request = message_class(method.input_type)()
    _fill(request, method.name, place, names_pool=names_pool)
    return [request]


def _fill(request: Any, method: str, place: Place, *, names_pool: bool) -> None:
    fields = request.DESCRIPTOR.fields_by_name
    for name, value in _given(method, place, names_pool=names_pool).items():
        if name in fields and fields[name].message_type is None and not fields[name].is_repeated:
            setattr(request, name, value)
    for name in ("handles", "customers"):
        if name in fields:
            getattr(request, name).extend(["anna@example.com", "+49 30 1"])
    if method in {"CreateAgent", "UpdateAgent"}:
        request.agent.CopyFrom(_agent(place, place.agents, names_pool=names_pool))
    elif method in {"CreatePool", "UpdatePool"}:
        request.pool.CopyFrom(roster_pb2.Pool(name=place.name("pools"), display_name="Renamed"))
    elif method == "RouteMessages":
        item = routing_pb2.RouteMessageRequest()
        _fill(item, "RouteMessage", place, names_pool=names_pool)
        request.requests.append(item)
    elif method in {"RouteMessage", "SuggestAgents"}:
        request.message.text = "My shoes have a hole."
    elif method == "PutCustomer":
        request.customer.handles.append("anna@example.com")


def _given(method: str, place: Place, *, names_pool: bool) -> dict[str, Any]:
    return {
        "parent": place.name("agents" if method == "WatchReservations" else ""),
        "name": place.name(kind_of(method)),
        "site_id": place.site,
        "pool_id": place.pool,
        "agent_id": place.agents,
        "contact": place.name("contacts"),
        "contact_id": place.contacts,
        "handle": "anna@example.com",
        "principal": "crm",
        "status": roster_pb2.ONLINE if method == "SetAgentStatus" else 0,
        "pool": place.name("pools") if names_pool else "",
        "agent": "" if method == "TransferContact" else place.name("agents"),
    }


def _agent(place: Place, agent: str, *, names_pool: bool) -> roster_pb2.Agent:
    pools = [place.name("pools")] if names_pool else []
    return roster_pb2.Agent(name=f"sites/{place.site}/agents/{agent}", interests=["I repair shoes."], pools=pools)


def nested(method: Any, own: Place, foreign: Place) -> Iterator[tuple[str, list[Any]]]:
    """Yield requests of a method in which one field after the other names what is in a foreign site, by its path."""
    for path in _paths(method.input_type, ()):
        requests = requests_of(method, own)
        target: Any = next((one for one in requests if not method.client_streaming or one.HasField(path[0])), None)
        if target is None:  # a step of a stream that holds no name
            continue
        for name in path[:-1]:
            target = getattr(target, name)
            if hasattr(target, "add"):
                target = target[0] if len(target) else target.add()
        kind = NAMES[path[-1]] or (kind_of(method.name) if path[-1] == "name" else "")
        if len(path) > 1 and path[-1] == "name":
            kind = {"agent": "agents", "pool": "pools", "customer": "customers"}.get(path[-2], kind)
        if target.DESCRIPTOR.fields_by_name[path[-1]].is_repeated:
            getattr(target, path[-1]).append(foreign.name(kind))
        else:
            setattr(target, path[-1], foreign.name(kind))
        yield ".".join(path), requests


def _paths(message: Descriptor, within: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for field in message.fields:
        path = (*within, field.name)
        if field.type == FieldDescriptor.TYPE_STRING and field.name in NAMES:
            yield path
        elif field.message_type is not None:
            yield from _paths(field.message_type, path)


def texts(message: Descriptor) -> Iterator[str]:
    """Yield the name of every field of text that a request may have, in any depth."""
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            yield field.name
        elif field.message_type is not None:
            yield from texts(field.message_type)
