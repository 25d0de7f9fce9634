"""Measures the worst of every method and every reader; `python -m benchmarks.bounds` writes build/bounds.json."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import grpc
from redis.asyncio import Redis

from benchmarks.alone import say
from benchmarks.bounds.growth import TRIES
from benchmarks.bounds.methods import Bench, MethodRow
from benchmarks.bounds.readers import Row, measured, readers
from benchmarks.bounds.rows import ROWS, row_of
from benchmarks.machine import describe
from benchmarks.sizes import ROOT
from benchmarks.stores import connected
from matcher.auth.access_keys import new_access_key
from matcher.auth.key_cache import StoredKeys
from matcher.auth.principal import Grant, Role
from matcher.client import MatcherClient
from matcher.store.access_keys import AccessKeyStore
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from tests.auth.asked import METHODS, Place
from tests.people import hire, person
from tests.processes import Server, metric, model_cache, start_server

OUTPUT: Final = ROOT / "build" / "bounds.json"
AGENTS: Final = 1_000
CONTACTS: Final = 200
OPTIONS: Final = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
LAGS: Final = ("0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "5.0")


async def owned(data_dir: Path) -> str:
    """Write the key of a caller who may do everything into an embedded store; return the key as callers show it."""
    key, text = new_access_key("bounds", tuple(Grant(role) for role in Role if role is not Role.AGENT), 1)
    store = await EmbeddedStore.open(EmbeddedSettings(data_dir))
    try:
        async with connected(store.url) as connection:
            if not await AccessKeyStore(connection).change(StoredKeys(b"", ()), [key]):
                raise SystemExit("the store did not take the key")
    finally:
        await store.close()
    return text


async def settle(server: Server, key: str) -> Place:
    """Fill the default site: a thousand agents, contacts that wait, and a contact that is offered."""
    async with MatcherClient(server.target, token=key) as client:
        people = {f"a{number}": person(f"I repair shoes of {number} kinds.") for number in range(AGENTS)}
        await hire(client, people)
        offer = (
            await client.route("My shoes have a hole.", customer="anna@example.com", contact_id="c-bounds")
        ).reservation
        for number in range(CONTACTS):
            await client.route("My shoes have a hole.", customer=f"c{number}@example.com", contact_id=f"c-{number}")
        names = {"reservations": offer.name, "decisions": offer.decision, "agents": offer.agent}
    ids = {kind: name.rpartition("/")[2] for kind, name in names.items()}
    return Place("default", "default", contacts="c-bounds", **ids)


async def of_methods(only: str, tries: int) -> tuple[list[MethodRow], dict[str, float]]:
    """Measure the methods whose name has `only`; return their rows, and how often the loop was late by how much."""
    with tempfile.TemporaryDirectory(prefix="mb-") as name:
        folder = Path(name)
        key = await owned(folder / "data")
        server = await start_server(folder, {"MATCHER_AUTH": "keys"})
        try:
            embedded = await EmbeddedStore.open(EmbeddedSettings(server.data_dir))
            place = await settle(server, key)
            async with (
                grpc.aio.insecure_channel(server.target, OPTIONS) as channel,
                Redis.from_url(embedded.url) as store,
            ):
                bench, rows = Bench(server, store, channel, place, key), list[MethodRow]()
                for method in METHODS:
                    if only in method:
                        for row in await bench.measured(method, tries):
                            rows.append(row)
                            say(_said(row))
            lags = {bound: await metric(server, "matcher_loop_lag_seconds_bucket", le=bound) for bound in LAGS}
            lags["all"] = await metric(server, "matcher_loop_lag_seconds_count")
            await embedded.close()
        finally:
            await server.clear()
    return rows, lags


def _said(row: MethodRow) -> str:
    return (
        f"{row.method} {row.kind} {row.shape} {row.answer}: {row.milliseconds:.1f} ms, exponent {row.exponent:.2f}, "
        f"{row.entries} entries, {row.memory_mb:.1f} MiB{'' if row.within else '  BEYOND ITS BOUND'}"
    )


def of_readers(tries: int) -> list[Row]:
    """Measure the readers of texts."""
    rows = []
    for reader in readers(model_cache()):
        rows.append(row := measured(reader, tries))
        mark = "" if row.within else "  BEYOND ITS BOUND"
        say(f"{row.reader}: {row.milliseconds:.1f} ms, exponent {row.exponent:.2f}, {row.text}{mark}")
    return rows


def table(methods: list[MethodRow], texts: list[Row]) -> str:
    """Return the rows as tables of Markdown."""
    lines = ["| method | worst request | answer | ms | exponent | entries | MiB |", "|---|---|---|---|---|---|---|"]
    for row in methods:
        shape = f"{row.kind}: {row.shape}" if row.shape else row.kind
        grown = f"{row.exponent:.2f}" if row.exponent else "-"
        cells = (row.method, shape, row.answer, f"{row.milliseconds:.1f}", grown, row.entries, f"{row.memory_mb:.1f}")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "| reader | characters | worst text | ms | steepest exponent |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.reader} | {one.characters:,} | {one.text} | {one.milliseconds:.1f} | {one.exponent:.2f} |"
        for one in texts
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, write build/bounds.json and build/bounds.md, and return 1 where something is beyond its bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="methods whose name has this")
    parser.add_argument("--tries", type=int, default=TRIES)
    parser.add_argument("--no-texts", action="store_true")
    parser.add_argument("--no-methods", action="store_true")
    options = parser.parse_args()
    missing = sorted({row_of(method) for method in METHODS} ^ ROWS.keys())
    if missing:
        sys.exit(f"benchmarks/bounds/rows.py lacks a row, or has one of no method: {', '.join(missing)}")
    methods, lags = ([], {}) if options.no_methods else asyncio.run(of_methods(options.only, options.tries))
    texts = [] if options.no_texts else of_readers(options.tries)
    beyond = sum(not row.within for row in methods) + sum(not row.within for row in texts)
    made: dict[str, Any] = {"machine": describe(), "beyond": beyond, "loop_lag": lags}
    made |= {"methods": [asdict(row) for row in methods], "readers": [asdict(row) for row in texts]}
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    OUTPUT.with_suffix(".md").write_text(table(methods, texts), "utf-8")
    say(f"{len(methods)} rows of methods, {len(texts)} readers, {beyond} beyond their bound: {OUTPUT}")
    return int(beyond > 0)


if __name__ == "__main__":
    sys.exit(main())
