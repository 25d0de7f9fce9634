"""The Lua text of the verbs, taken apart: which names a verb uses, itself and in the functions that it calls."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from matcher.store.redis.functions import FILES, lua_text

FUNCTION: Final = re.compile(r"^local function (\w+)\((.*?)\n(.*?)^end$", re.MULTILINE | re.DOTALL)
ANSWER: Final = re.compile(r"\{'(\w+)'")


def code_of(file: str) -> str:
    """Return lua/<file>.lua without its comments."""
    return re.sub(r"--.*", "", lua_text(file))


@cache
def functions() -> dict[str, tuple[str, str]]:
    """Return the file and the text of every function, by its name."""
    texts: dict[str, tuple[str, str]] = {}
    for file in FILES:
        for name, parameters, body in FUNCTION.findall(code_of(file)):
            assert name not in texts, f"two functions have the name {name}"
            texts[name] = file, parameters + body
    return texts


def called_by(verb: str) -> list[str]:
    """Name the verb's function and every function that it calls, directly or not."""
    found, left = list[str](), [verb]
    while left:
        name = left.pop()
        if name not in found:
            found.append(name)
            left += [other for other in functions() if re.search(rf"\b{other}\(", functions()[name][1])]
    return found


@dataclass(frozen=True)
class Uses:
    """What a verb uses: files of functions, names of keys, arguments and items' fields, and words of answers."""

    files: frozenset[str]
    keys: frozenset[str]
    args: frozenset[str]
    items: frozenset[str]
    """`key.<list>.<name>` or `arg.<list>.<name>`."""
    answers: frozenset[str]

    @classmethod
    def of(cls, verb: str) -> Uses:
        """Read the verb's function and those that it calls."""
        files, texts = zip(*(functions()[name] for name in called_by(verb)), strict=True)
        text = "\n".join(texts)
        items = re.findall(r"\b(key|arg)\.(\w+)\[\w+\]\.(\w+)", text)
        lists = {name for _, name, _ in items} | set(re.findall(r"#(?:\w+\.)*arg\.(\w+)", text))
        return cls(
            frozenset(files),
            frozenset(re.findall(r"\bkey\.(\w+)", text)) - lists,
            frozenset(re.findall(r"\barg\.(\w+)", text)) | lists,
            frozenset(".".join(item) for item in items),
            frozenset(word for line in text.splitlines() if "return" in line for word in ANSWER.findall(line)),
        )
