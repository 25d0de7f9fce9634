"""Analysis of the verbs' Lua text: the names that a verb uses, itself and in the functions that it calls."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from matcher.store.redis.functions import SHARED, lua_text
from matcher.store.redis.verb_call import Layout
from matcher.store.verbs import VERBS

FUNCTION: Final = re.compile(r"^local function (\w+)\((.*?)\n(.*?)^end$", re.MULTILINE | re.DOTALL)
ITEM: Final = re.compile(r"for \w+, (\w+) in ipairs\((?:\w+\.)*arg\.(\w+)\)|local (\w+) = (?:\w+\.)*arg\.(\w+)\[1\]")
ANSWER: Final = re.compile(r"\{'(\w+)'")


def code_of(name: str) -> str:
    """Return lua/<name>.lua without its comments."""
    return re.sub(r"--.*", "", lua_text(name))


@cache
def functions() -> dict[str, str]:
    """Return the body of every function of the verbs' files, by its name."""
    bodies: dict[str, str] = {}
    for file in (*SHARED, *VERBS):
        for name, parameters, body in FUNCTION.findall(code_of(file)):
            assert name not in bodies, f"two functions have the name {name}"
            bodies[name] = parameters + body
    return bodies


def called_by(verb: str) -> list[str]:
    """Name the verb's function and every function that it calls, directly or not."""
    found, left = list[str](), [verb]
    while left:
        name = left.pop()
        if name not in found:
            found.append(name)
            left += [other for other in functions() if re.search(rf"\b{other}\(", functions()[name])]
    return found


@dataclass(frozen=True)
class Uses:
    """The names that a verb reads, and the first words of the tables that its functions return."""

    keys: frozenset[str]
    args: frozenset[str]
    items: dict[str, frozenset[str]]
    """A list of the call → the names that are read of its items."""
    answers: frozenset[str]

    @classmethod
    def of(cls, layout: Layout) -> Uses:
        """Read the names from the verb's function and from the functions that it calls."""
        bodies = [functions()[name] for name in called_by(layout.name)]
        text = "\n".join(bodies)
        return cls(
            frozenset(re.findall(r"\bkey\.(\w+)", text)),
            frozenset(re.findall(r"\barg\.(\w+)", text)),
            {trailing.name: _item_names(bodies, trailing.name) for trailing in layout.lists},
            frozenset(word for line in text.splitlines() if "return" in line for word in ANSWER.findall(line)),
        )


def _item_names(bodies: list[str], name: str) -> frozenset[str]:
    """Return the names that are read of the items of a list, or of an optional item, whose variable has its name."""
    names = set[str]()
    for body in bodies:
        variables = {name} | {one or other for one, of, other, first in ITEM.findall(body) if name in (of, first)}
        for variable in variables:
            names |= set(re.findall(rf"(?<![.\w]){variable}\.(\w+)", body))
    return frozenset(names)
