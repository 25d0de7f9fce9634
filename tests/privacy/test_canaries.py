"""What a person says is nowhere but where docs/privacy.md says: a search of every byte that a guarded service leaves.

`make canaries` says 10,000 words and writes build/canaries.json; the default is some hundred.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import grpc
import pytest

from matcher.auth.grant_text import parse_grant
from matcher.services.access_keys import AccessKeyService
from matcher.store.access_keys import AccessKeyStore
from matcher.store.redis.client import StoreClient
from tests.collector import Collector, collector
from tests.people import wait_until
from tests.privacy import faults, places
from tests.privacy.callers import Caller
from tests.privacy.marks import Canaries
from tests.privacy.story import Center
from tests.processes import ROOT, Server, Store, health, metric_page, start_server
from tests.web.gateway import open_gateway

WORDS: Final = int(os.environ.get("CANARIES", "300"))
OUT: Final = ROOT / "build" / "canaries.json"
AT_ONCE: Final = 8
GRANTS: Final = {
    "owner": ("owner", "platform", "admin", "supervisor"),
    "other": ("platform@shop",),
    "observer": ("observer@shop",),
    "foreign": ("platform@elsewhere", "admin@elsewhere"),
}
FAULTS: Final = 150
"""About so many words are said while something is broken."""
WHERE: Final = {
    "contact handle": {"key contact"},
    "decline reason": {"key resv"},
    "actor": {"key resv", "key decision", "ledger"},
    "assignment reason": {"key decision", "ledger"},
    "place": {"key outcome", "ledger"},
    "metric name": {"key outcome", "ledger"},
    "agent name": {"key agent", "ledger"},
    "agent interest": {"key agent", "ledger"},
    "unknown name": set[str](),
}
"""In which places docs/privacy.md says that words of a kind are; the words of every other kind are nowhere."""
SPOILT: Final = "spoilt record"
"""Words that the test itself wrote into records: the service may move these, but not tell of them."""
OF_THE_STORE: Final = {"slow log", "append-only file", "snapshot"}
"""What the store keeps of its keys: a word that is in a key is there too."""


@dataclass(frozen=True)
class Scene:
    """A guarded service with a store that notes every call, a ledger, a collector of traces, and its callers."""

    center: Center
    server: Server
    store: Store
    ledger: Path
    received: Collector
    keys: tuple[str, ...]

    async def settled(self) -> None:
        """Wait until the ledger and the audit trail have what happened."""
        async with self.store.client() as redis:

            async def empty() -> bool:
                return not any([await redis.xlen(f"m:{{shop}}:{stream}") for stream in ("outbox", "audit")])

            await wait_until(empty, "outbox and audit are empty")


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """Open everything; at the end the service is killed if it is still there."""
    async with AsyncExitStack() as stack:
        (folder / "store").mkdir()
        store = Store(folder / "store", options={"logfile": str(folder / "store" / "valkey.log")})
        await store.start()
        stack.push_async_callback(store.end, signal.SIGKILL)
        async with store.client() as redis:
            await places.note_every_call(redis)
        connection = StoreClient(store.url)
        await connection.start()
        service = AccessKeyService(AccessKeyStore(connection))
        keys = [(await service.create(name, [parse_grant(one) for one in of]))[1] for name, of in GRANTS.items()]
        await connection.close()
        received = stack.enter_context(collector())
        ledger = folder / "ledger.sqlite"
        settings = {
            "MATCHER_STORE_URL": store.url,
            "MATCHER_STORE_TIMEOUT_SECONDS": "5",
            "MATCHER_AUTH": "keys",
            "MATCHER_LEDGER_URL": f"sqlite:///{ledger}",
            "MATCHER_LOG_LEVEL": "debug",
            "MATCHER_TRACING": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": received.address,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "PYTHONFAULTHANDLER": "1",
            "PYTHONASYNCIODEBUG": "1",
        }
        server = await start_server(folder, settings)
        stack.push_async_callback(server.kill)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.target))
        async with open_gateway(server.target) as gateway:
            callers = [Caller(channel, key, gateway) for key in keys]
            owner, other, observer, foreign = callers
            yield Scene(
                Center(owner, other, observer, foreign, Canaries()), server, store, ledger, received, tuple(keys)
            )


async def told(scene: Scene) -> dict[str, bytes]:
    """Let the center work and fail, end the service by a signal, and return what is left, by its place."""
    center, server, store = scene.center, scene.server, scene.store
    await center.open()
    number = 0
    while center.canaries.said.total() < WORDS - FAULTS:
        await asyncio.gather(*(center.turn(number + at) for at in range(AT_ONCE)))
        number += AT_ONCE
    await scene.settled()
    await faults.while_the_ledger_lacks_a_table(server, scene.ledger, center.turn(number))
    await scene.settled()
    async with store.client() as redis:
        await faults.while_the_store_is_full(center, redis)
        await faults.while_the_store_is_frozen(center, store)

        async def serves() -> bool:
            return await health(server.target)

        await wait_until(serves, "the store is back")
        await faults.spoil(center, redis, "w-0")
    left = {"metrics": (await metric_page(server)).encode()}
    calls = [
        asyncio.ensure_future(center.owner.try_to("RouteMessage", faults.said(center, 20 + at))) for at in range(8)
    ]
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    server.send(signal.SIGABRT)
    await server.ended()
    await asyncio.gather(*calls)
    left["log"] = server.log().encode()
    left["traces"] = b"\0".join(scene.received.bodies)
    left["ledger"] = b"\0".join(path.read_bytes() for path in scene.ledger.parent.glob("ledger.sqlite*"))
    left["errors of others"] = b"\0".join(part for caller in center.others for part in caller.errors)
    left["answers to an observer"] = b"\0".join(center.observer.answers)
    left |= await places.of_the_store(store)
    return left


async def test_words_of_people_are_nowhere_but_where_the_documentation_says() -> None:
    """Texts, interests, praise, consents and keys nowhere; handles and reasons in the records that need them."""
    with TemporaryDirectory(prefix="mt-") as folder:
        async with scene(Path(folder)) as opened:
            left = await told(opened)
    canaries = opened.center.canaries
    for key in opened.keys:
        # The id of a key is no secret.
        canaries.begins[f"the secret {key[:10]}…"] = key.split("_", 2)[2]
    found: dict[str, dict[str, int]] = {}
    for place, held in left.items():
        for kind, counts in canaries.found(held).items():
            found.setdefault(kind, {})[place] = sum(counts.values())
    if "CANARIES" in os.environ:
        sizes = {place: len(held) for place, held in sorted(left.items())}
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps({"said": canaries.said, "found": found, "bytes_searched": sizes}, indent=2))
    assert canaries.said.total() >= WORDS
    assert b"Fatal Python error: Aborted" in left["log"]
    for event in (b"call_failed", b"cannot be read", b"call_refused", b"caller_unknown", b"the ledger is away"):
        assert event in left["log"], "the faults were noticed"
    spoilt = found.pop(SPOILT)
    assert [place for place in spoilt if not place.startswith("key ") and place not in {"ledger", *OF_THE_STORE}] == []
    assert all(place in left and len(left[place]) > 1_000 for place in ("traces", "metrics", "ledger", *OF_THE_STORE))
    assert {kind: set(seen) - WHERE.get(kind, set()) - OF_THE_STORE for kind, seen in found.items()} == {
        kind: set() for kind in WHERE
    }
    assert {kind: WHERE[kind] - set(seen) for kind, seen in found.items()} == {kind: set() for kind in WHERE}


@pytest.mark.parametrize("spelling", [str.upper, str.lower])
def test_a_word_is_found_in_every_form(spelling: Callable[[str], str]) -> None:
    """In the clear, in base64 wherever it begins, in hex, in UTF-16, as a URL and as JSON write it."""
    canaries = Canaries()
    said = f"I sail {canaries.new('text')} – now."
    plain = said.encode()
    written = {
        "clear": spelling(said).encode(),
        "hex": spelling(plain.hex()).encode(),
        "percent": "".join(f"%{byte:02X}" for byte in plain).encode(),
        "escaped": "".join(f"\\u{ord(letter):04X}" for letter in said).encode(),
        "UTF-16": said.encode("utf-16-be"),
        "base64": base64.b64encode(plain),
        "base64 of URLs": base64.urlsafe_b64encode(b"?" + plain),
        "base64 in JSON": json.dumps(base64.b64encode(b"??" + plain).decode()).encode(),
    }
    assert [name for name, held in written.items() if not canaries.found(b"before" + held + b"after")] == []
    assert canaries.found(b"I sail q" + secrets.token_hex(20).encode()) == {}
