"""Calls of the store's Lua verbs: what a verb takes, written once as a class, for Python and for Lua.

A verb's class names its keys, its arguments and its trailing lists. Python builds an object of it by name, so that mypy
finds a name that is missing or unknown, and `packed` lays the values out as FCALL takes them: keys and arguments in the
order of the class, then the length of each list, then the items list by list. Lua has the names `key.<name>` and
`arg.<name>`, which lua_names.py replaces by these positions when the library is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
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
    """Named values that several verbs take, or one item of a trailing list."""

    def __repr__(self) -> str:
        """Name the class only: a call carries profiles, records and sealed texts."""
        return f"{type(self).__name__}(…)"


class VerbCall(CallPart, frozen=True, kw_only=True, gc=False):
    """One call of a verb. A subclass is one verb: ReserveInOrder is reserve_in_order in lua/reserve_in_order.lua.

    A field is a Key, an argument, or a list of parts: a Sequence, or one part or None. The first field may be a part
    whose names are also names of the call: their positions are the same in every call that begins with it. A list of
    calls is the only field of its class. All keys of a call are of one site.
    """

    answers: ClassVar[Answers]
    frees: ClassVar[bool] = False
    """Whether the verb runs in a full store too: it ends something, and so makes room."""
    in_a_life: ClassVar[bool] = True
    """Whether the verb runs only for a site that lives: its key `life` says so, and its answer is no_site else."""

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
    """Some fields of a class: their names in Lua, in order, and how Python reads their values."""

    lua: tuple[str, ...]
    values: Callable[[CallPart], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class TrailingList:
    """A trailing list of a call, and the names of its items."""

    name: str
    items: Callable[[CallPart], Any]
    layout: Layout


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the values of a class lie among KEYS and ARGV."""

    name: str
    part: type[CallPart]
    keys: Names
    args: Names
    lists: tuple[TrailingList, ...]
    of_calls: bool
    """Whether the class is a list of calls."""

    def pack(self, part: CallPart, keys: list[str], args: list[str | bytes | int]) -> None:
        """Append the keys and the arguments of a part."""
        keys += self.keys.values(part)
        args += self.args.values(part)
        if not self.lists:
            return
        lists = [(trailing.layout, trailing.items(part)) for trailing in self.lists]
        for _, items in lists:
            args.append(len(items))
        for layout, items in lists:
            if self.of_calls:
                calls = [call.packed() for call in items]
                args += [len(values) for call in calls for values in call]
                keys += [key for own_keys, _ in calls for key in own_keys]
                args += [arg for _, own_args in calls for arg in own_args]
            else:
                keys_of, args_of = layout.keys.values, layout.args.values
                for item in items:
                    keys += keys_of(item)
                    args += args_of(item)


@cache
def layout_of(part: type[CallPart]) -> Layout:
    """Return where the values of a class lie. Raises TypeError where the class breaks a rule of `VerbCall`."""
    keys, args, lists = dict[str, str](), dict[str, str](), list[TrailingList]()
    for path, kind in _fields(part):
        name = path.rpartition(".")[2]
        if name in (keys if kind is _KEY else args) or name in (one.name for one in lists):
            raise TypeError(f"{part.__name__} has two fields of the name {name}")
        if kind is _KEY:
            keys[name] = path
        elif kind is None:
            args[name] = path
        else:
            lists.append(_trailing(name, path, kind))
    of_calls = any(issubclass(trailing.layout.part, VerbCall) for trailing in lists)
    layout = Layout(_snake(part.__name__), part, _names(keys), _names(args), tuple(lists), of_calls)
    if any(trailing.layout.lists for trailing in lists if not layout.of_calls):
        raise TypeError(f"an item of a list of {part.__name__} has a list of its own")
    if layout.of_calls and len(part.__struct_fields__) > 1:
        raise TypeError(f"{part.__name__} has more than its list of calls")
    return layout


def _fields(part: type[CallPart], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path of every field and what it is: _KEY, None for an argument, else the type of a list."""
    hints = get_type_hints(part, include_extras=True)
    for number, field in enumerate(part.__struct_fields__):
        hint = hints[field]
        if isinstance(hint, type) and issubclass(hint, CallPart):
            if number:
                raise TypeError(f"{part.__name__} does not begin with its part {field}")
            yield from _fields(hint, f"{prefix}{field}.")
        elif hint == Key:
            yield prefix + field, _KEY
        else:
            yield prefix + field, hint if _item_of(hint) else None


def _item_of(hint: Any) -> type[CallPart] | None:
    """Return the class of a list's items, None for an argument."""
    return next((one for one in get_args(hint) if isinstance(one, type) and issubclass(one, CallPart)), None)


def _trailing(name: str, path: str, hint: Any) -> TrailingList:
    item, read = _item_of(hint), attrgetter(path)
    assert item is not None

    def one_or_none(part: CallPart) -> tuple[CallPart, ...]:
        value = read(part)
        return () if value is None else (value,)

    return TrailingList(name, one_or_none if NoneType in get_args(hint) else read, layout_of(item))


def _names(paths: dict[str, str]) -> Names:
    if not paths:
        return Names((), lambda _: ())
    read = attrgetter(*paths.values())
    if len(paths) == 1:  # attrgetter returns one value as it is, several as a tuple
        return Names(tuple(paths), lambda part: (read(part),))
    return Names(tuple(paths), read)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
