"""Suites: a roster, messages, and the right agents of each message; reads and checks their files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

AGENTS_FILE: Final = "agents.jsonl"
MESSAGES_FILE: Final = "messages.jsonl"
SEALED: Final = "sealed"
"""The part of a suite's messages that nothing is chosen by."""


class SuiteWrong(Exception):
    """A suite cannot be read; the message names file, line and field, and never holds the text itself."""


@dataclass(frozen=True, slots=True)
class SuiteAgent:
    """An agent of a suite, as the service accepts it: each interest once, none empty."""

    id: str
    display_name: str
    interests: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class SuiteMessage:
    """A message and its right agents, which may be none."""

    id: str
    text: str
    relevant: frozenset[str]

    def __repr__(self) -> str:
        return f"SuiteMessage({self.id})"


@dataclass(frozen=True, slots=True)
class Suite:
    """A roster and its messages, without the field that groups agents, which no router may know."""

    name: str
    agents: tuple[SuiteAgent, ...]
    messages: tuple[SuiteMessage, ...]


def read_suite(folder: Path, *, sealed: bool = False) -> Suite:
    """Read a folder with agents.jsonl and messages.jsonl.

    sealed: keep the messages whose part is "sealed", and only these; otherwise these are left out. Raises SuiteWrong,
    which names file, line and field, where a value is missing, of a wrong type or an id used twice, where a message
    names an unknown agent, or where no message is kept. Unknown fields and empty lines are ignored.
    """
    if not folder.is_dir():
        raise SuiteWrong(f"{folder} is not a folder")
    agents: dict[str, SuiteAgent] = {}
    for line in _lines(folder / AGENTS_FILE):
        identifier = line.new_id(agents)
        agents[identifier] = SuiteAgent(identifier, line.text("display_name", default=identifier), line.interests())
    if not agents:
        raise SuiteWrong(f"{folder / AGENTS_FILE} has no agent")
    messages: dict[str, SuiteMessage] = {}
    kept = []
    for line in _lines(folder / MESSAGES_FILE):
        identifier = line.new_id(messages)
        relevant = frozenset(line.ids("relevant_agent_ids", agents.__contains__))
        messages[identifier] = SuiteMessage(identifier, line.text("text"), relevant)
        if (line.text("part", default="") == SEALED) is sealed:
            kept.append(messages[identifier])
    if not kept:
        others = f" that is {'' if sealed else 'not '}sealed" if messages or sealed else ""
        raise SuiteWrong(f"{folder / MESSAGES_FILE} has no message{others}")
    name = folder.resolve().name
    return Suite(f"{name} (sealed)" if sealed else name, tuple(agents.values()), tuple(kept))


def with_roster(suite: Suite, path: Path) -> Suite:
    """Return a suite with the roster of a file like agents.jsonl: some of its agents, with other interests.

    Messages of which no right agent is in the file are left out. Raises SuiteWrong, which names file and line, for an
    agent whom the suite does not have, and where no message is left.
    """
    names = {agent.id: agent.display_name for agent in suite.agents}
    agents: dict[str, SuiteAgent] = {}
    for line in _lines(path):
        identifier = line.new_id(agents)
        if identifier not in names:
            raise line.wrong("id", f"{identifier} is no agent of {suite.name}")
        agents[identifier] = SuiteAgent(identifier, names[identifier], line.interests())
    kept = (replace(message, relevant=message.relevant & agents.keys()) for message in suite.messages)
    messages = tuple(message for message in kept if message.relevant)
    if not messages:
        raise SuiteWrong(f"{path} has no agent who is right for a message of {suite.name}")
    return Suite(f"{suite.name}, {path.parent.name}", tuple(agents.values()), messages)


def read_texts(path: Path) -> list[str]:
    """Read the texts of a file: the `text` of each object in JSON lines (.jsonl), or each line of a plain file.

    Empty lines are ignored. Raises SuiteWrong where the file cannot be read or a text is missing, or has none.
    """
    if path.suffix == ".jsonl":
        texts = [line.text("text") for line in _lines(path)]
    else:
        try:
            texts = path.read_text("utf-8").splitlines()
        except OSError as error:
            raise SuiteWrong(f"{path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise SuiteWrong(f"{path} is not UTF-8 (byte {error.start})") from None
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise SuiteWrong(f"{path} has no message")
    return texts


@dataclass(frozen=True, slots=True)
class _Line:
    """A JSON object with its file and line."""

    path: Path
    number: int
    fields: dict[str, Any]

    def wrong(self, field: str, what: str) -> SuiteWrong:
        return SuiteWrong(f"{self.path} line {self.number}: {field} {what}")

    def text(self, field: str, *, default: str | None = None) -> str:
        value = self.fields.get(field, default)
        if value is None:
            raise self.wrong(field, "is missing")
        if not isinstance(value, str):
            raise self.wrong(field, "must be a text")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise self.wrong(field, "holds half a surrogate pair")
        return value

    def interests(self) -> tuple[str, ...]:
        interests = (interest.strip() for interest in self.text("interests").splitlines())
        return tuple(dict.fromkeys(interest for interest in interests if interest))

    def new_id(self, earlier: dict[str, Any]) -> str:
        value = self.text("id")
        if not value:
            raise self.wrong("id", "is empty")
        if value in earlier:
            raise self.wrong("id", f"{value} is already used on an earlier line")
        return value

    def ids(self, field: str, is_agent: Callable[[str], bool]) -> list[str]:
        value = self.fields.get(field)
        if value is None:
            raise self.wrong(field, "is missing")
        if not isinstance(value, list) or not all(isinstance(agent, str) for agent in value):
            raise self.wrong(field, "must be a list of agents' ids")
        for agent in value:
            if not is_agent(agent):
                raise self.wrong(field, f"names {agent}, who is not in {AGENTS_FILE}")
        return value


def _lines(path: Path) -> Iterator[_Line]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SuiteWrong(f"{path} cannot be read: {error.strerror}") from None
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            fields = json.loads(raw)
        except UnicodeDecodeError as error:
            raise SuiteWrong(f"{path} line {number}: not UTF-8 (byte {error.start})") from None
        except (ValueError, RecursionError) as error:
            where = f" (column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
            raise SuiteWrong(f"{path} line {number}: not JSON{where}") from None
        if not isinstance(fields, dict):
            raise SuiteWrong(f"{path} line {number}: must be a JSON object")
        yield _Line(path, number, fields)
