"""Agents and messages: made here, or drawn from what people wrote."""

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
    """Return every line of interest that can be made here."""
    return [
        f"I enjoy {pastime} {company} {time}." for pastime, company, time in itertools.product(PASTIMES, COMPANY, TIMES)
    ]


def made_messages(count: int, seed: int) -> list[str]:
    """Return messages with a request and a trace of the person, no two alike, as far as there are different ones."""
    sizes = (len(MATTERS), len(PASTIMES), len(COMPANY), len(TIMES))
    kinds = math.prod(sizes)
    return [_message(number) for number in _drawn(np.random.default_rng(seed), kinds, min(count, kinds))]


def _message(number: int) -> str:
    number, matter = divmod(number, len(MATTERS))
    number, pastime = divmod(number, len(PASTIMES))
    time, company = divmod(number, len(COMPANY))
    return f"{MATTERS[matter]} I was looking forward to {PASTIMES[pastime]} {COMPANY[company]} {TIMES[time]}."


def drawn_messages(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """Return texts in an order of their own, each once, at most `count`."""
    different = list(dict.fromkeys(texts))
    return [different[at] for at in _drawn(np.random.default_rng(seed), len(different), min(count, len(different)))]


def make_rows(roster: Roster, lines: Sequence[str], seed: int) -> Iterator[pb.ImportRow]:
    """Yield the roster's agents as rows of an import, with interests drawn from `lines`.

    Raises PlanWrong where there are fewer different lines than an agent has interests.
    """
    different = list(dict.fromkeys(lines))
    if len(different) < roster.interests:
        raise PlanWrong(f"--interests is {roster.interests}, but there are only {len(different)} different ones")
    chance = np.random.default_rng(seed)
    free = frozenset(_drawn(chance, roster.agents, roster.free_agents))
    for number in range(roster.agents):
        yield pb.ImportRow(
            row=number + 1,
            agent_id=f"agent-{number:06d}",
            agent=pb.Agent(
                display_name=f"Agent {number}",
                interests=[different[at] for at in _drawn(chance, len(different), roster.interests)],
                status=pb.ONLINE if number in free else pb.OFFLINE,
            ),
        )


def _drawn(chance: np.random.Generator, among: int, count: int) -> list[int]:
    """Return `count` different numbers below `among`, in an order of chance."""
    drawn: list[int] = chance.choice(among, size=count, replace=False).tolist()
    return drawn
