"""Rights: which methods the service permits to a visitor, as the service itself answers.

There is no list of them to ask for, and rules that were copied into the console would one day differ from the
service's. So the console asks: a request that names the site and nothing else is refused with PERMISSION_DENIED before
anything is read, or it is not. Only methods for which such a request changes nothing are asked.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import grpc
from google.api import annotations_pb2
from google.protobuf.message import Message

from matcher.v1.roster_pb2 import ListPoolsRequest
from matcher.web.bindings import Method, table
from matcher.web.console.access import Access, reason_of
from matcher.web.faults import Fault, of_call

ASKED: Final = ("Get", "List", "Create", "Update", "SetAgentStatus", "Suggest", "AcceptReservation")
"""How the names of methods begin that may be asked: they read, or refuse a request without the thing itself."""
REFUSED: Final = {
    "GetImpactReport": ("of_basis", 99),
    "GetCoverage": ("days", -1),
    "GetInterestMap": ("max_interests", -1),
}
"""A field by which a request is refused as invalid once it is permitted: these methods read for long."""
FRESH_SECONDS: Final = 60.0
"""How long an answer counts; the service decides each call by itself in any case."""
MOST_KEPT: Final = 20_000
PROBE_SECONDS: Final = 5.0

Known: TypeAlias = "tuple[bytes, str, str]"


@dataclass(slots=True)
class Rights:
    """What was answered lately, by credential, site and method."""

    known: OrderedDict[Known, tuple[float, bool]] = field(default_factory=OrderedDict)

    async def may(self, access: Access, site: str, method: str) -> bool:
        """Return whether a visitor may call a method ("RosterService/ListAgents") for a site. Raises Fault."""
        key = (hashlib.sha256(access.credential.encode()).digest(), site, method)
        kept = self.known.get(key)
        if kept is not None and time.monotonic() - kept[0] < FRESH_SECONDS:
            return kept[1]
        answer = await _may(access, site, table().methods[f"/matcher.v1.{method}"])
        self.known[key] = (time.monotonic(), answer)
        self.known.move_to_end(key)
        while len(self.known) > MOST_KEPT:
            self.known.popitem(last=False)
        return answer

    async def may_any(self, access: Access, site: str, methods: tuple[str, ...]) -> bool:
        """Return whether a visitor may call one of some methods, or there are none to call. Raises Fault."""
        if not methods:
            return True
        return any(await asyncio.gather(*(self.may(access, site, method) for method in methods)))


async def _may(access: Access, site: str, method: Method) -> bool:
    if not method.name.startswith(ASKED):
        raise ValueError(f"{method.path} is not a method that can be asked for without a change")
    request = _bare(method, site, "")
    if await _permits(access, method, request):
        return True
    if not _names_pools(method):
        return False
    try:
        pools = await access.ask(
            access.stubs.roster.ListPools, ListPoolsRequest(parent=f"sites/{site}", page_size=1), PROBE_SECONDS
        )
    except Fault:
        return False
    return bool(pools.pools) and await _permits(access, method, _bare(method, site, pools.pools[0].name))


async def _permits(access: Access, method: Method, request: Message) -> bool:
    try:
        await access.channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.answer.FromString,
        )(request, timeout=PROBE_SECONDS, metadata=access.metadata())
    except grpc.aio.AioRpcError as error:
        fault = of_call(error)
        reason = reason_of(fault)
        if not reason or reason.startswith("CREDENTIALS_"):
            raise fault from None
        return reason != "PERMISSION_DENIED"
    return True


def _bare(method: Method, site: str, pool: str) -> Message:
    """Return a request that names the site, and a pool where the method has one, and nothing else."""
    request = method.request()
    pattern = method.descriptor.GetOptions().Extensions[annotations_pb2.http]
    path = str(getattr(pattern, pattern.WhichOneof("pattern") or "get"))
    for name, template in _variables(path):
        parts = template.split("/")
        known = {"sites": site, "pools": pool.rpartition("/")[2] or "default"}
        named = [known.get(parts[n - 1], "nobody") if part == "*" else part for n, part in enumerate(parts)]
        message: Any = request
        *outer, last = name.split(".")
        for part in outer:
            message = getattr(message, part)
        setattr(message, last, "/".join(named))
    fields: Any = request
    if pool and "pool" in request.DESCRIPTOR.fields_by_name and request.DESCRIPTOR.fields_by_name["pool"].type == 9:
        fields.pool = pool
    if "page_size" in request.DESCRIPTOR.fields_by_name:
        fields.page_size = 1
    if method.name in REFUSED:
        setattr(request, *REFUSED[method.name])
    return request


def _variables(path: str) -> list[tuple[str, str]]:
    return [
        (name, template)
        for name, _, template in (part.partition("}")[0].partition("=") for part in path.split("{")[1:])
        if template
    ]


def _names_pools(method: Method) -> bool:
    fields = method.request.DESCRIPTOR.fields_by_name
    return "pool" in fields or method.name in ("GetPool", "UpdatePool")
