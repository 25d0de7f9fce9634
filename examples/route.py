"""Route one message: `matcher serve` in another terminal, then `python examples/route.py "your message"`."""

import asyncio
import sys

from matcher.client import MatcherClient


async def main(text: str) -> None:
    """Print who takes the message, and which of its words met which interest."""
    async with MatcherClient("localhost:50051", site="default") as client:
        answer = await client.route(text, channel="chat", auto_accept=True)
        if answer.WhichOneof("outcome") == "reservation":
            print(answer.candidate.display_name, f"{answer.candidate.affinity:.2f}", answer.reservation.name)
            for reason in answer.candidate.reasons:
                print(f"  {text[reason.start : reason.end]!r} met {reason.interest!r}")


asyncio.run(main(" ".join(sys.argv[1:]) or "My tent leaks, and we are off to the coast on Friday."))
