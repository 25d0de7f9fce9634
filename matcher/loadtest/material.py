"""The agents and the messages of a load test, generated or drawn from given texts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from matcher.loadtest.plan import PlanWrong, Roster
from matcher.v1 import roster_pb2 as pb

PASTIMES: Final = (
    *("restoring wooden boats", "baking rye bread", "climbing granite", "keeping bees", "playing the cello"),
    *("growing dahlias", "racing pigeons", "watching waders and terns", "repairing clocks", "training sheepdogs"),
    *(
        "painting in watercolour",
        "setting crosswords",
        "brewing stout",
        "collecting fountain pens",
        "running fell races",
    ),
    *("sewing costumes", "restoring old motorcycles", "photographing steam trains", "cooking Sichuan food"),
    *("reading Norse sagas", "paddling a sea kayak", "folding paper cranes", "tuning pianos", "building model ships"),
    *("foraging for mushrooms", "flying kites", "playing chess by post", "knitting jumpers", "tracing my ancestors"),
    *("swimming in cold lakes", "carving spoons", "programming synthesizers", "coaching girls' football"),
    *("skating at the rink", "drawing maps", "singing in a choir", "breeding orchids", "fixing bicycles"),
    *("stargazing with a telescope", "cycling over mountain passes"),
)
COMPANY: Final = (
    *("with my daughter", "with my grandfather", "with two friends from school", "on my own", "with my neighbours"),
    *("with the whole family", "with my wife", "with a club", "with my brother", "with my oldest friend"),
)
TIMES: Final = (
    *("every weekend", "since I was nine", "in the winter months", "before work", "on long summer evenings"),
    *(
        "whenever it rains",
        "for more than twenty years",
        "on holidays by the sea",
        "since we moved north",
        "on Sundays",
    ),
    *("after the night shift", "up in the hills", "in the garage", "at the allotment", "in a village hall"),
)
MATTERS: Final = (
    *("My router has been blinking orange since the storm.", "Why was I billed twice for March?"),
    *("The parcel says delivered, but nothing is here.", "I cannot log in since the last update."),
    *("Can I change the address of an order that was packed already?", "The refund you promised has not come."),
    *("The tent I bought leaks at the seam.", "My card was declined although there is money on it."),
    *("How do I cancel the extra SIM?", "The app closes as soon as I open the second page."),
    *("The zip of the jacket broke on its first day.", "I need the invoice with our company's name on it."),
    *("The engineer did not come between eight and twelve.", "Which of the two plans works abroad?"),
    *("My voucher is refused at the till.", "The screen stays black after the warranty repair."),
    *("I was charged for a book I returned.", "Please move my appointment to Thursday."),
    *("The instructions are missing from the box.", "Somebody else's name is on my account."),
)


def made_interests() -> list[str]:
    """Return all interests that can be generated."""
    return [
        f"I enjoy {pastime} {company} {time}." for pastime, company, time in itertools.product(PASTIMES, COMPANY, TIMES)
    ]


def made_messages(count: int, seed: int) -> list[str]:
    """Return at most `count` different messages, each with a request and a trace of an interest."""
    sizes = (len(MATTERS), len(PASTIMES), len(COMPANY), len(TIMES))
    kinds = math.prod(sizes)
    return [_message(number) for number in _drawn(np.random.default_rng(seed), kinds, min(count, kinds))]


def _message(number: int) -> str:
    number, matter = divmod(number, len(MATTERS))
    number, pastime = divmod(number, len(PASTIMES))
    time, company = divmod(number, len(COMPANY))
    return f"{MATTERS[matter]} I was looking forward to {PASTIMES[pastime]} {COMPANY[company]} {TIMES[time]}."


def drawn_messages(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """Return at most `count` of the texts in a random order, each once."""
    distinct = list(dict.fromkeys(texts))
    return [distinct[at] for at in _drawn(np.random.default_rng(seed), len(distinct), min(count, len(distinct)))]


def make_rows(roster: Roster, interests: Sequence[str], seed: int) -> Iterator[pb.ImportRow]:
    """Yield the roster's agents as rows of an import, each with interests drawn from `interests`.

    Raises PlanWrong where there are fewer different interests than an agent has.
    """
    distinct = list(dict.fromkeys(interests))
    if len(distinct) < roster.interests:
        raise PlanWrong(f"--interests is {roster.interests}, but the roster has only {len(distinct)} different ones")
    rng = np.random.default_rng(seed)
    free = frozenset(_drawn(rng, roster.agents, roster.free_agents))
    for number in range(roster.agents):
        yield pb.ImportRow(
            row=number + 1,
            agent_id=f"agent-{number:06d}",
            agent=pb.Agent(
                display_name=f"Agent {number}",
                interests=[distinct[at] for at in _drawn(rng, len(distinct), roster.interests)],
                status=pb.ONLINE if number in free else pb.OFFLINE,
            ),
        )


def _drawn(rng: np.random.Generator, below: int, count: int) -> list[int]:
    """Return `count` different numbers below `below` in a random order."""
    drawn: list[int] = rng.choice(below, size=count, replace=False).tolist()
    return drawn
