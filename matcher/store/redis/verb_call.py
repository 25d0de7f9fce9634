"""Calls of the store's Lua verbs: what a verb takes, written once as a class, for Python and for Lua.

A verb's class names its keys, its arguments and its trailing lists. Python builds an object of it by name, so that mypy
finds a name that is missing or unknown; `packed` lays the values out as FCALL takes them; `lua_readers` writes the Lua
functions that read them back into `key.<name>` and `arg.<name>`. Nothing else knows a position.

FCALL's arguments are those of the call in the order of its class, then every list: its length and its items, each laid
out like a call. A list's keys follow the call's own in the same order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from types import NoneType
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, get_args, get_type_hints

import msgspec

_KEY: Final = "a key of the store"
Key: TypeAlias = Annotated[str, _KEY]
"""A field that goes into KEYS: the verb may read and write this key of the store, and no other."""

Absent: TypeAlias = Literal[""]
"""No value: FCALL knows strings only."""

Answers: TypeAlias = Mapping[str, tuple[str, ...]]
"""What a verb may answer: the first word → the names of the values that follow it."""


class CallPart(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Some named values of a call, or one item of a trailing list."""

    def __repr__(self) -> str:
        """Name the class only: a call carries profiles, records and sealed texts."""
        return f"{type(self).__name__}(…)"


class VerbCall(CallPart, frozen=True, kw_only=True, gc=False):
    """One call of a verb. A subclass is one verb: ReserveInOrder is reserve_in_order in lua/reserve_in_order.lua.

    A field is a Key, an argument, a list of items (a Sequence or an optional CallPart), or a CallPart whose names are
    also names of the call.
    """

    answers: ClassVar[Answers]

    @property
    def verb(self) -> str:
        """Return the verb's name."""
        return layout_of(type(self)).name

    def packed(self) -> tuple[list[str], list[str | bytes | int]]:
        """Return the keys and the arguments, as FCALL takes them."""
        keys: list[str] = []
        args: list[str | bytes | int] = []
        layout_of(type(self)).pack(self, keys, args)
        return keys, args


@dataclass(frozen=True, slots=True)
class Names:
    """Some fields of a class: by which names Lua knows them, and how Python reads their values."""

    lua: tuple[str, ...]
    values: Callable[[CallPart], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class TrailingList:
    """A trailing list of a call."""

    name: str
    items: Callable[[CallPart], Any]
    layout: Layout
    optional: bool
    """The list holds one item or none, and Lua reads the item itself, or nil."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the values of a class lie among KEYS and ARGV."""

    name: str
    part: type[CallPart]
    keys: Names
    args: Names
    lists: tuple[TrailingList, ...]

    def pack(self, part: CallPart, keys: list[str], args: list[str | bytes | int]) -> None:
        """Append the keys and the arguments of a part."""
        keys += self.keys.values(part)
        args += self.args.values(part)
        for trailing in self.lists:
            items = trailing.items(part)
            args.append(len(items))
            for item in items:
                trailing.layout.pack(item, keys, args)


@cache
def layout_of(part: type[CallPart]) -> Layout:
    """Return where the values of a class lie. Raises TypeError where two fields have one name in Lua."""
    keys, args, lists = dict[str, str](), dict[str, str](), list[TrailingList]()
    for path, kind in _fields(part):
        name = path.rpartition(".")[2]
        if name in (args if kind is not _KEY else keys) or name in (one.name for one in lists):
            raise TypeError(f"{part.__name__} has two fields of the name {name}")
        if kind is _KEY:
            keys[name] = path
        elif kind is None:
            args[name] = path
        else:
            lists.append(_trailing(name, path, kind))
    return Layout(_snake(part.__name__), part, _names(keys), _names(args), tuple(lists))


def lua_readers(calls: Iterable[type[VerbCall]]) -> str:
    """Return the Lua functions that read calls and the items of their lists, each after those that it uses."""
    ordered: dict[str, str] = {}

    def add(layout: Layout) -> None:
        for trailing in layout.lists:
            add(trailing.layout)
        ordered[layout.name] = _lua_reader(layout)

    for call in calls:
        add(layout_of(call))
    return "\n".join(ordered.values())


def _lua_reader(layout: Layout) -> str:
    """Return the Lua function that reads one call or item, from the positions before its first key and argument.

    It returns the item {name = value, …}, or the call {key = {name = key, …}, arg = {name = value, …}}, and the
    positions before the next one.
    """
    keys = _bound("keys[k + {}]", layout.keys)
    args = _bound("args[a + {}]", layout.args)
    lines = [f"local function read_{layout.name}(keys, args, k, a)"]
    if issubclass(layout.part, VerbCall):
        lines += [f"  local key = {{{keys}}}", f"  local arg = {{{args}}}"]
        target, result = "arg", "{key = key, arg = arg}"
    else:
        lines += [f"  local item = {{{', '.join(filter(None, (keys, args)))}}}"]
        target = result = "item"
    lines += [f"  k, a = k + {len(layout.keys.lua)}, a + {len(layout.args.lua)}"]
    for one in layout.lists:
        lines += [f"  {target}.{one.name}, k, a = read_list(read_{one.layout.name}, keys, args, k, a)"]
        if one.optional:
            lines += [f"  {target}.{one.name} = {target}.{one.name}[1]"]
    return "\n".join([*lines, f"  return {result}, k, a", "end"])


def _fields(part: type[CallPart], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path of every field and what it is: _KEY, None for an argument, else the type of a list."""
    hints = get_type_hints(part, include_extras=True)
    for field in part.__struct_fields__:
        hint = hints[field]
        if isinstance(hint, type) and issubclass(hint, CallPart):
            yield from _fields(hint, f"{prefix}{field}.")
        elif hint == Key:
            yield prefix + field, _KEY
        else:
            yield prefix + field, hint if _item_of(hint) else None


def _item_of(hint: Any) -> type[CallPart] | None:
    """Return the class of a list's items, None for an argument."""
    return next((one for one in get_args(hint) if isinstance(one, type) and issubclass(one, CallPart)), None)


def _trailing(name: str, path: str, hint: Any) -> TrailingList:
    item, read, optional = _item_of(hint), attrgetter(path), NoneType in get_args(hint)
    assert item is not None

    def one_or_none(part: CallPart) -> tuple[CallPart, ...]:
        value = read(part)
        return () if value is None else (value,)

    return TrailingList(name, one_or_none if optional else read, layout_of(item), optional)


def _names(paths: dict[str, str]) -> Names:
    if not paths:
        return Names((), lambda _: ())
    read = attrgetter(*paths.values())
    if len(paths) == 1:  # attrgetter returns one value as it is, several as a tuple
        return Names(tuple(paths), lambda part: (read(part),))
    return Names(tuple(paths), read)


def _bound(place: str, names: Names) -> str:
    return ", ".join(f"{name} = {place.format(number)}" for number, name in enumerate(names.lua, start=1))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
