"""Routes one message: start `matcher serve` in another terminal, then `python examples/route.py "your message"`."""

import asyncio
import os
import sys

from matcher.client import MatcherClient, token_of_environment


async def main(text: str) -> None:
    """Print the agent who takes the message and which of its words met which interest, and end the conversation."""
    target, token = os.environ.get("MATCHER_TARGET", "localhost:50051"), token_of_environment()
    async with MatcherClient(target, site="default", token=token) as client:
        answer = await client.route(text, channel="chat", auto_accept=True, explain_unmatched=True)
        if answer.WhichOneof("outcome") == "unmatched":
            print("no agent is free; the best would be", [match.agent for match in answer.unmatched.would_match])
        else:
            print(answer.candidate.display_name, f"{answer.candidate.affinity:.2f}", answer.reservation.name)
            for reason in answer.candidate.reasons:
                print(f"  {text[reason.start : reason.end]!r} met {reason.interest!r}")
            await client.complete(answer.reservation.name)


asyncio.run(main(" ".join(sys.argv[1:]) or "My bees have swarmed, and the veil you sent is torn."))
