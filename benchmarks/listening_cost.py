"""What listening costs: the CPU of the service for a decision, with listening on and off, in pairs.

    python -m benchmarks.listening_cost [--pairs 6] [--messages 150]

Messages of examples/customers in twelve languages go to one server, one after another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.machine import cpu_seconds
from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as people
from tests.people import hire, person
from tests.processes import Server, start_server

EXAMPLES: Final = Path(__file__).parents[1] / "examples" / "customers"


def texts(most: int) -> list[str]:
    """Return messages to develop with, never the sealed ones."""
    lines = (EXAMPLES / "messages.jsonl").read_text("utf-8").splitlines()
    messages = [json.loads(line) for line in lines]
    return [message["text"] for message in messages if message["part"] == "choosing"][:most]


async def cost(server: Server, client: MatcherClient, messages: list[str], *, listening: bool) -> float:
    """Return the CPU of a decision in milliseconds."""
    await client.update_pool(people.Pool(name="default", listening=listening), ["listening"])
    before = cpu_seconds(server.process.pid)
    for text in messages:
        answer = await client.route(text)
        await client.decline(answer.reservation.name)
    return 1_000 * (cpu_seconds(server.process.pid) - before) / len(messages)


async def main(pairs: int, most: int) -> None:
    """Measure pairs of runs, each in turn first, and print the means and the ratio."""
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        server = await start_server(Path(folder), {})
        try:
            async with server.client() as client:
                await hire(client, {f"a{number}": person("sailing", "chess", most=90) for number in range(20)})
                await client.update_pool(people.Pool(name="default", listening=True, max_missed=0), ["listening"])
                await client.coverage(deadline=600)
                messages = texts(most)
                for listening in (True, False):
                    await cost(server, client, messages, listening=listening)
                on, off = list[float](), list[float]()
                for pair in range(pairs):
                    for listening in ((True, False), (False, True))[pair % 2]:
                        (on if listening else off).append(await cost(server, client, messages, listening=listening))
                ratios = [a / b for a, b in zip(on, off, strict=True)]
                print(
                    f"off {statistics.mean(off):.2f} ms, on {statistics.mean(on):.2f} ms of CPU a decision and decline"
                )
                error = statistics.stdev(ratios) / len(ratios) ** 0.5
                print(
                    f"on / off: {statistics.mean(ratios):.3f} ± {error:.3f} ({pairs} pairs of {len(messages)} messages)"
                )
        finally:
            await server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--messages", type=int, default=150)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.pairs, arguments.messages))
