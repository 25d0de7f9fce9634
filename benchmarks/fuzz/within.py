"""Fuzz within this process: validation, cutting, setting aside, tokens, importers, and records read back."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from google.protobuf.message import DecodeError

from benchmarks.fuzz.grammar import HOSTILE, NAMES, made, mutated, text
from matcher.affinity.interest_lexicon import check, read_lexicon
from matcher.affinity.sentences import split
from matcher.affinity.set_aside import read
from matcher.errors import MatcherError
from matcher.files import customer_file, outcome_file, roster_file
from matcher.model import HTML, PLAIN, Message, Requirements
from matcher.rpc.call_cost import call_cost
from matcher.rpc.validation.violations import Violations, page_token
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.sealer import Sealer, WaitingText

Step = Callable[[Random], object]


@dataclass(frozen=True, slots=True)
class Found:
    """An input that ended in a fault: the kind of the target, its seed, and what was raised."""

    target: str
    seed: int
    fault: str


def targets(checks: dict[Any, Callable[[Any], object]]) -> dict[str, Step]:
    """Return the targets by name. checks: of each kind of request the function that validates it."""
    kinds = list(checks)
    sealer = Sealer(ServiceKeys.of_secret(b"fuzz" * 8))

    def validation(random: Random) -> object:
        kind = random.choice(kinds)
        request = made(kind.DESCRIPTOR, random)
        if random.random() < 0.3:
            request = kind.FromString(mutated(request.SerializeToString(), random))
        return checks[kind](request)

    def cost(random: Random) -> object:
        body = mutated(made(random.choice(kinds).DESCRIPTOR, random).SerializeToString(), random)
        return call_cost("/matcher.v1.RoutingService/RouteMessages", body)

    def tokens(random: Random) -> object:
        listing = random.choice(("agents", "contacts", "reservations", "customers", "praise", "pools", "sites"))
        token = page_token(text(random), listing) if random.random() < 0.6 else text(random)
        wrong = Violations()
        wrong.page(random.choice((0, 1, -1, 2**31 - 1)), mutated(token.encode(), random).decode("latin-1"), listing)
        return wrong.noted

    def sealed(random: Random) -> object:
        waiting = WaitingText.of(Message(text(random), "", Requirements()))
        return sealer.open("s", "c", mutated(sealer.seal("s", "c", waiting, 0), random))

    return {
        "validation": validation,
        "cost of a call": cost,
        "tokens": tokens,
        "cutting": cutting,
        "setting aside": setting_aside,
        "roster files": roster_files,
        "other files": other_files,
        "lexicon files": lexicon_files,
        "sealed texts": sealed,
    }


def written(random: Random, most: int = 12) -> str:
    """Return a text of pieces of messages, mails and pages."""
    return "".join(random.choice(PIECES) * random.choice((1, 1, 1, 3)) for _ in range(random.randint(0, most)))


PIECES: Final[tuple[str, ...]] = (
    *HOSTILE,
    *NAMES,
    *(" ", "\n", "\r\n", ".", "!", ", ", "-- \n", "> ", "On 1.1.2024 at 10:10 Anna wrote:\n", "From: a@b.de\n"),
    *("To: b\n", "Subject: x\n"),
    *("Sent: today\n", "Regards\n", "Anna Smith\n", "<br>", "<div class=gmail_quote>", "</div>", "<!--"),
    *("-->", "&amp;", "&#0;", "&#x110000;", "&#55296;", "<style>", "</style>", "<a href='", "http://a.b/", "A1-"),
    *("ORD-2024-00123", "#12345", "+49 170 1234567", "字", "。", "ส", "क।", "\u0301", "\u200d", "😀", "1.1.", "e.g. "),
    *("\x85", "\u2028"),
)  # fmt: skip


def cutting(random: Random) -> object:
    """Cut a text into units: every unit lies in it, in order."""
    said = written(random)
    before = -1
    for start, end in split(said).spans:
        assert before < start < end <= len(said)
        before = start
    return None


def setting_aside(random: Random) -> object:
    """Read a text or a page: every part lies in it, in order."""
    said = written(random)
    reading = read(Message(said, "", Requirements(), media_type=random.choice((PLAIN, HTML))))
    before = 0
    for part in reading.set_aside:
        assert before <= part.start <= part.end <= len(said), part
        before = part.end
    return split(reading.text)


def _document(random: Random, keys: tuple[str, ...]) -> str:
    row = {key: _value(random) for key in random.sample(keys, random.randint(1, len(keys)))}
    return json.dumps(row, ensure_ascii=random.random() < 0.5)


def _value(random: Random, depth: int = 0) -> Any:
    kind = random.randrange(7 if depth < 2 else 5)
    if kind == 5:
        return [_value(random, depth + 1) for _ in range(random.randint(0, 3))]
    if kind == 6:
        return {text(random): _value(random, depth + 1) for _ in range(random.randint(0, 3))}
    return (text(random), random.choice((0, 1, -1, 10**30, 1.5, 1e308)), None, True, float("nan"))[kind]


ROSTER: Final = ("agent_id", "id", "name", "display_name", "interests", "skills", "languages", "pools", "channels",
                 "capacity", "status")  # fmt: skip
OTHERS: Final = (
    *("contact", "source", "csat", "nps", "resolved", "metrics", "returned_within", "recommended", "observed"),
    *("handles", "interests", "sources", "consent_basis", "consent_time", "consent_expires", "shareable"),
)


def _file(random: Random, keys: tuple[str, ...]) -> tuple[bytes, Any]:
    form = random.choice(list(roster_file.Form))
    if form is roster_file.Form.CSV:
        columns = random.sample(keys, random.randint(1, len(keys)))
        mark = random.choice((",", ";", "\t", "|"))
        lines = [mark.join(columns)]
        lines += [
            mark.join(random.choice(("", '"', '"')) + text(random) + random.choice(("", '"', "")) for _ in columns)
            for _ in range(random.randint(0, 3))
        ]
        data = "\n".join(lines)
    else:
        rows = [_document(random, keys) for _ in range(random.randint(0, 3))]
        data = f"[{','.join(rows)}]" if random.random() < 0.5 else "\n".join(rows)
    code = random.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    raw = data.encode(code, "replace")
    return (mutated(raw, random) if random.random() < 0.5 else raw), form


def roster_files(random: Random) -> object:
    """Read a file of agents."""
    data, form = _file(random, ROSTER)
    return roster_file.read_roster(data, form, "default")


def other_files(random: Random) -> object:
    """Read a file of outcomes or of customers."""
    data, form = _file(random, OTHERS)
    if random.random() < 0.5:
        return outcome_file.read_outcomes(data, form)
    return customer_file.read_customers(data, form)


def lexicon_files(random: Random) -> object:
    """Read a lexicon of a site's own, and check it."""
    lines = [
        "\t".join(
            (text(random), text(random), random.choice(("common", "rare", "x")), "; ".join((text(random), "bee")))
        )
        for _ in range(random.randint(0, 4))
    ]
    reading = read_lexicon("\n".join(lines))
    return check(reading, {})


def run(target: str, step: Step, seeds: Iterator[int], expected: tuple[type[BaseException], ...]) -> list[Found]:
    """Run a target once for each seed; return what ended in a fault that is not expected."""
    found = []
    for seed in seeds:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                step(Random(seed))
        except expected:
            pass
        except Exception as fault:  # noqa: BLE001 - every kind of fault is what is looked for
            found.append(Found(target, seed, f"{type(fault).__name__}: {fault}"[:200]))
    return found


EXPECTED: Final = (MatcherError, DecodeError)
"""What a reader may raise of bad input; the importers have errors of their own."""
