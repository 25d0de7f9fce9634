"""What becomes of a person's interests: which are met, which nobody asks for, and how they could be written better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matcher.v1.coverage_pb2 import COVERAGE_KIND_INTEREST, GetCoverageResponse
from matcher.v1.roster_pb2 import SMALL_TALK, UNKNOWN_TO_MODEL, Agent, SilentInterest
from matcher.v1.routing_pb2 import Decision, SuggestAgentsResponse

SILENT: Final[Mapping[int, str]] = {
    UNKNOWN_TO_MODEL: "The model knows no word of it. Say it in other words, or in a whole sentence.",
    SMALL_TALK: "It says nothing about a topic. Name the thing: what, where, with which tool, since when.",
}
MANY: Final = 5
"""An interest that this number of other people of the pool share hardly tells them apart."""
SHORT: Final = 3
LONG: Final = 160
GENERAL: Final = frozenset(
    (
        *("animals", "art", "books", "cooking", "family", "films", "food", "friends", "games", "gardening", "holidays"),
        *("movies", "music", "nature", "people", "pets", "reading", "sport", "sports", "technology", "travel"),
    )
)


@dataclass(frozen=True, slots=True)
class Told:
    """An interest of a person, and what is known of it. met: in conversations of now."""

    text: str
    silent: str
    met: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What the customers of a pool ask of this person, by the names of the lexicon.

    listening: whether the pool listens; short: what is brought up while nobody here shares it.
    """

    pool: str
    listening: bool
    unasked: tuple[str, ...]
    short: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """What an interest would do, if a person had it.

    wrong: why the service would not take it; others: who shares it already, with their words; hints: how to write it.
    """

    text: str
    wrong: str
    silent: str
    others: tuple[tuple[str, str, str], ...]
    hints: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether there is nothing to mend."""
        return not (self.wrong or self.silent or self.hints)


def told(agent: Agent, decisions: Iterable[Decision]) -> tuple[Told, ...]:
    """Return what is known of each interest of an agent. decisions: those of the agent's conversations of now."""
    silent = {one.interest: SILENT.get(one.reason, "No message can meet it.") for one in agent.silent_interests}
    met: dict[str, int] = {}
    for decision in decisions:
        for candidate in decision.candidates:
            if candidate.agent == agent.name:
                for interest in {reason.interest for reason in candidate.reasons if not reason.weak}:
                    met[interest] = met.get(interest, 0) + 1
    return tuple(Told(text, silent.get(text, ""), met.get(text, 0)) for text in agent.interests)


def asked_of(agent: str, answer: GetCoverageResponse) -> Asked:
    """Return what the customers of a pool ask of an agent, given by name."""
    return Asked(
        answer.pool.rpartition("/")[2],
        answer.listening,
        tuple(one.display_name for one in answer.unasked if one.agent == agent),
        tuple(
            (one.display_name, one.contacts)
            for one in answer.entries
            if one.kind == COVERAGE_KIND_INTEREST and not one.sharing_agents
        )[:8],
    )


def tried(
    text: str, agent: str, silent: Sequence[SilentInterest], wrong: str, answer: SuggestAgentsResponse | None
) -> Tried:
    """Return what an interest would do. answer: who would be suggested for a message of the same words."""
    others = []
    for candidate in answer.candidates if answer else ():
        reasons = [reason for reason in candidate.reasons if not reason.weak]
        if candidate.agent != agent and reasons:
            name = candidate.display_name or candidate.agent.rpartition("/")[2]
            others.append((candidate.agent.rpartition("/")[2], name, reasons[0].interest))
    said = SILENT.get(silent[0].reason, "No message can meet it.") if silent else ""
    hints = () if wrong or said else tuple(_hints(text, len(others), answer.units if answer else 1))
    return Tried(text, wrong, said, tuple(others), hints)


def _hints(text: str, others: int, units: int) -> Iterable[str]:
    words = text.casefold().strip(" .!").split()
    if len(words) == 1 and words[0] in GENERAL:
        yield (
            f"“{text}” is so general that it is close to everything and to nothing. Say what of it: which, where, how "
            "often, since when."
        )
    elif len(words) < SHORT:
        yield "A few more words help: an interest of a whole sentence is met more surely than a single word."
    if units > 1:
        yield f"It says {units} things. Write one interest for each: each is then met by itself."
    if len(text) > LONG:
        yield "It is long. What is said in one breath is met more surely; details may become interests of their own."
    if others >= MANY:
        yield f"{others} others share it already, so it hardly tells this person from them. What is special here?"
