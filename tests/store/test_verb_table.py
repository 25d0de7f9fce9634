"""The table of verbs and the Lua texts agree: every name that one side has the other side uses."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matcher.store.redis.functions import SHARED, lua_text
from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall, layout_of, lua_readers
from matcher.store.verbs import VERBS, Rest, Touch, Transition
from tests.store.access import Admin
from tests.store.lua_text import ANSWER, Uses, code_of, functions

TRANSITIONS = [verb for verb, call in VERBS.items() if "transition" in get_type_hints(call)]
TRANSITION = Transition(
    **{name: name for name in layout_of(Transition).keys.lua},
    reservation_id="r",
    contact_id="c",
    agent_id="a",
    fence=0,
    keep_ms=1,
    events_kept=1,
)


@pytest.mark.parametrize("file", [*SHARED, *VERBS])
def test_no_verb_reads_a_key_or_an_argument_by_its_position(file: str) -> None:
    """Positions stand in the functions that are made from the table, and in `read_list`, which reads every list."""
    code = code_of(file)
    if file == "prelude":
        code = code.replace(functions()["read_list"].partition("\n")[2], "")
        code = code.replace("local function read_list(read, keys, args, k, a)", "")
    assert re.findall(r"\b(?:keys|args|KEYS|ARGV)\b", code) == []
    assert re.findall(r"\b(?:key|arg)\s*\[", code) == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_uses_the_names_of_its_class_and_no_other(verb: str) -> None:
    """A name that is misspelled would be nil in Lua, and one that is never used is a mistake or a leftover."""
    layout = layout_of(VERBS[verb])
    uses, shared = Uses.of(layout), layout_of(Transition) if verb in TRANSITIONS else None
    keys, args = set(layout.keys.lua), {*layout.args.lua, *(trailing.name for trailing in layout.lists)}
    calls = [trailing for trailing in layout.lists if issubclass(trailing.layout.part, VerbCall)]
    if calls:  # the names of the calls in a list are those of their own verb
        keys |= {name for one in calls for name in one.layout.keys.lua}
        args |= {name for one in calls for name in one.layout.args.lua}
        args |= {trailing.name for one in calls for trailing in one.layout.lists}
    assert uses.keys - keys == set()
    assert uses.args - args == set()
    assert keys - uses.keys - set(shared.keys.lua if shared else ()) == set()
    assert args - uses.args - set(shared.args.lua if shared else ()) == set()


@pytest.mark.parametrize("verb", [verb for verb, call in VERBS.items() if layout_of(call).lists])
def test_a_verb_uses_the_names_of_the_items_of_its_lists_and_no_other(verb: str) -> None:
    """The same for each item of a trailing list."""
    layout = layout_of(VERBS[verb])
    uses = Uses.of(layout)
    for trailing in layout.lists:
        item = trailing.layout
        names = {"key", "arg"} if issubclass(item.part, VerbCall) else {*item.keys.lua, *item.args.lua}
        assert uses.items[trailing.name] == names, trailing.name


def test_every_name_that_the_transitions_share_is_used_by_one_of_them() -> None:
    """Not every transition needs every key, but each key is needed by some."""
    shared, uses = layout_of(Transition), [Uses.of(layout_of(VERBS[verb])) for verb in TRANSITIONS]
    assert set(shared.keys.lua) <= {name for use in uses for name in use.keys}
    assert set(shared.args.lua) <= {name for use in uses for name in use.args}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_answers_with_the_words_of_its_class(verb: str) -> None:
    """How many values follow each word is checked at every call of the store's other tests (tests/store/access.py)."""
    call = VERBS[verb]
    assert set(call.answers) <= Uses.of(layout_of(call)).answers
    own = [line for line in functions()[verb].splitlines() if "return" in line]
    assert {word for line in own for word in ANSWER.findall(line)} <= set(call.answers)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_s_file_says_where_its_names_are(verb: str) -> None:
    """The header leads a reader to the class that says what the verb takes and answers."""
    assert f"-- Takes and answers: verbs.{VERBS[verb].__name__}.\n" in lua_text(verb)


def test_a_call_with_a_missing_or_unknown_name_is_not_made() -> None:
    """Mypy says so before; this is what happens at run time."""
    wrong: Any = Touch
    with pytest.raises(TypeError, match="idle_ms"):
        wrong(transition=TRANSITION)
    with pytest.raises(TypeError, match="idle"):
        wrong(transition=TRANSITION, idle_ms=0, idle=0)


def test_the_repr_of_a_call_says_nothing_of_what_it_carries() -> None:
    """Calls carry sealed texts, profiles and records of decisions."""
    assert repr(Rest(transition=TRANSITION)) == "Rest(…)"


class Coat(CallPart, frozen=True, kw_only=True):
    """Names that become those of the call."""

    colour: str
    peg: Key


class Button(CallPart, frozen=True, kw_only=True):
    """An item with a key."""

    hole: Key
    size: int


class Pocket(VerbCall, frozen=True, kw_only=True):
    """A call inside another call's list."""

    bottom: Key
    coins: int
    spare: Button | None

    answers: ClassVar[Answers] = {}


class Wardrobe(VerbCall, frozen=True, kw_only=True):
    """A call with everything that a call may have."""

    door: Key
    owner: str
    coat: Coat
    buttons: Sequence[Button]
    lost: Button | None
    pockets: Sequence[Pocket]

    answers: ClassVar[Answers] = {}


def as_lua(call: CallPart) -> dict[str, Any]:
    """Return a call or an item as Lua should read it: values as strings, an absent item not at all."""
    keys, args = dict[str, Any](), dict[str, Any]()
    hints = get_type_hints(type(call), include_extras=True)
    for name in call.__struct_fields__:
        value = getattr(call, name)
        if isinstance(value, Coat):
            keys["peg"], args["colour"] = value.peg, value.colour
        elif hints[name] == Key:
            keys[name] = value
        elif isinstance(value, list):
            args[name] = [as_lua(item) for item in value]
        elif isinstance(value, CallPart):
            args[name] = as_lua(value)
        elif value is not None:
            args[name] = str(value)
    return {"key": keys, "arg": args} if isinstance(call, VerbCall) else {**keys, **args}


TEXT = st.text("abc{}|", max_size=3)
BUTTONS = st.builds(Button, hole=TEXT, size=st.integers(0, 9))
POCKETS = st.builds(Pocket, bottom=TEXT, coins=st.integers(0, 9), spare=st.none() | BUTTONS)
WARDROBES = st.builds(
    Wardrobe,
    door=TEXT,
    owner=TEXT,
    coat=st.builds(Coat, colour=TEXT, peg=TEXT),
    buttons=st.lists(BUTTONS, max_size=3),
    lost=st.none() | BUTTONS,
    pockets=st.lists(POCKETS, max_size=3),
)


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(call=WARDROBES)
async def test_lua_reads_every_value_by_the_name_that_python_gave_it(admin: Admin, call: Wardrobe) -> None:
    """Keys, arguments, items with and without keys, optional items, and calls in a list, in one real call."""
    library = "\n".join(
        [
            "#!lua name=wardrobe",
            lua_text("prelude"),
            lua_readers([Wardrobe]),
            "redis.register_function('wardrobe', function(keys, args)",
            "  local call, k, a = read_wardrobe(keys, args, 0, 0)",
            "  return {cjson.encode(call), k - #keys, a - #args}",
            "end)",
        ]
    )
    await admin.execute_command("FUNCTION LOAD", "REPLACE", library)
    try:
        keys, args = call.packed()
        read, *left = await admin.execute_command("FCALL", "wardrobe", len(keys), *keys, *args)
    finally:
        await admin.execute_command("FUNCTION DELETE", "wardrobe")
    wanted = as_lua(call)
    for name in ("buttons", "pockets"):  # cjson writes an empty list as {}
        wanted["arg"][name] = wanted["arg"][name] or {}
    assert json.loads(read) == wanted
    assert left == [0, 0]


def test_two_fields_of_one_name_are_refused() -> None:
    """A part's names become those of the call, so they must not meet."""

    class Twice(VerbCall, frozen=True, kw_only=True):
        colour: str
        coat: Coat

        answers: ClassVar[Answers] = {}

    with pytest.raises(TypeError, match="colour"):
        layout_of(Twice)
