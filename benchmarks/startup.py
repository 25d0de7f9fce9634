"""The start and the memory of the service, beside a process that imports sentence_transformers and loads the model."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.alone import run_alone, say
from benchmarks.machine import resident_mb
from benchmarks.material import encode, make_roster, open_packaged_encoder, read_material
from benchmarks.sizes import Sizes
from benchmarks.slices import Figures, a_a, estimate, interleave, ratio
from benchmarks.stores import filled_service, start_server
from matcher.client import MatcherClient
from matcher.encoder.model_source import find_model
from matcher.encoder.settings import PACKAGED_MODEL

BARE: Final = """
import sys
from sentence_transformers import SentenceTransformer
SentenceTransformer(sys.argv[1], device="cpu").encode("ready")
print("ready", flush=True)
sys.stdin.read()
"""
LONGEST_WORDS: Final = 300
CALLERS: Final = 16
STOP_SECONDS: Final = 30.0


async def measure(sizes: Sizes) -> Figures:
    """Measure the time of a start with a warm cache, and the memory of the service after work."""
    await (await open_packaged_encoder()).close()  # so that the model is compiled
    bare_memory: list[float] = []

    async def bare() -> float:
        start = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", BARE, str(find_model(PACKAGED_MODEL).path)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdout.readline()
        seconds = time.perf_counter() - start
        bare_memory.append(resident_mb(process.pid))
        process.stdin.close()
        await process.communicate()
        return seconds

    async def ours() -> float:
        with tempfile.TemporaryDirectory(prefix="mb-") as folder:
            start = time.perf_counter()
            process, _ = await start_server(Path(folder), Path(folder) / "server.log", {})
            seconds = time.perf_counter() - start
            process.terminate()
            async with asyncio.timeout(STOP_SECONDS):
                await process.communicate()
        return seconds

    say("startup: starts")
    costs = await interleave({"ours": ours, "bare": bare, "again": ours}, sizes.starts)
    memory = await _memory(sizes)
    torch_mb = estimate(bare_memory).median
    return {
        **ratio(costs["ours"], costs["bare"]).figures("start_over_torch"),
        "start_seconds": estimate(costs["ours"]).median,
        "start_torch_seconds": estimate(costs["bare"]).median,
        "rss_over_torch": memory / torch_mb,
        "rss_mb": memory,
        "rss_torch_mb": torch_mb,
        "rss_agents": sizes.agents,
        "rss_messages": sizes.rss_messages,
        **a_a("start", costs["ours"], costs["again"]),
    }


async def _memory(sizes: Sizes) -> float:
    """Return the resident MiB of the server with a roster after messages of every length."""
    material = read_material(sizes.suite)
    encoder = await open_packaged_encoder()
    try:
        vectors = await encode(encoder, material.lines)
        model = encoder.fingerprint
    finally:
        await encoder.close()
    roster = make_roster(material, vectors, sizes.agents)
    say(f"startup: memory after {sizes.rss_messages} messages of every length")
    async with (
        filled_service(roster, model=model, online=sizes.free, settings={}) as running,
        MatcherClient(running.target) as client,
    ):
        texts = _of_every_length(material.messages, sizes.rss_messages)

        async def caller() -> None:
            for text in texts:
                await client.suggest(text, deadline=120.0)

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return resident_mb(running.pid)


def _of_every_length(messages: Sequence[str], count: int) -> Iterator[str]:
    """Yield texts of 1 to 300 words of the messages, equally many of each length, in random order."""
    rng = random.Random(5)
    words = " ".join(messages).split()
    lengths = [1 + number % LONGEST_WORDS for number in range(count)]
    rng.shuffle(lengths)
    for length in lengths:
        at = rng.randrange(max(1, len(words) - length))
        yield " ".join(words[at : at + length])


if __name__ == "__main__":
    run_alone(measure)
