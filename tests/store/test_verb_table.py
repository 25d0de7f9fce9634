"""The table of verbs and the Lua texts agree: every name that one side has the other side uses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matcher.store.redis.functions import FILES, lua_text
from matcher.store.redis.lua_names import resolve_names
from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall, layout_of
from matcher.store.verbs import VERBS, ContactStep, Lead, Transition
from tests.store.access import Admin
from tests.store.lua_text import ANSWER, Uses, code_of, functions

PARTS = {ContactStep: "contact", Transition: "reservation"}
"""A part that calls begin with → the file that reads it."""


def parts_of(part: type[CallPart]) -> list[type[CallPart]]:
    """Return the parts that a class begins with."""
    first = get_type_hints(part)[part.__struct_fields__[0]]
    return [first, *parts_of(first)] if first in PARTS else []


def names_of(part: type[CallPart]) -> tuple[set[str], set[str]]:
    """Return a class's names of keys, and of arguments and lists."""
    layout = layout_of(part)
    return set(layout.keys.lua), {*layout.args.lua, *(trailing.name for trailing in layout.lists)}


@pytest.mark.parametrize("file", FILES)
def test_no_verb_reads_a_key_or_an_argument_by_its_position(file: str) -> None:
    """Only `read_calls` has positions: it reads the one trailing list whose items are calls of any length."""
    code = code_of(file)
    if file == "prelude":
        code = re.sub(r"^local function read_calls\(.*?^end$", "", code, flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"\b(?:keys|args|KEYS|ARGV)\b", code) == []
    assert re.findall(r"\b(?:key|arg)\s*\[", code) == []
    assert re.findall(r"#(?:\w+\.)*(?:key|arg)\b(?!\.)|(?:pairs|unpack|concat)\((?:\w+\.)*(?:key|arg)\b", code) == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_uses_every_name_of_its_class(verb: str) -> None:
    """A name that is never used is a mistake or a leftover. What a part brings must be used by one verb that has it."""
    keys, args = names_of(VERBS[verb])
    if VERBS[verb].in_a_life and not layout_of(VERBS[verb]).of_calls:
        keys.remove("life")  # the library reads it before the verb
    uses = Uses.of(verb)
    for part in parts_of(VERBS[verb]):
        keys, args = keys - names_of(part)[0], args - names_of(part)[1]
    assert keys - uses.keys == set()
    assert args - uses.args == set()


@pytest.mark.parametrize("part", PARTS)
def test_every_name_of_a_part_is_used_by_a_verb_that_begins_with_it(part: type[CallPart]) -> None:
    """Not every transition needs every key, but each key is needed by some."""
    uses = [Uses.of(verb) for verb, call in VERBS.items() if part in parts_of(call)]
    keys, args = names_of(part)
    assert keys <= {name for use in uses for name in use.keys}
    assert args <= {name for use in uses for name in use.args}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_calls_only_functions_whose_names_have_its_positions(verb: str) -> None:
    """A shared function reads its names at the positions of its part, so the call must begin with this part."""
    files = {verb, "prelude", "quotas"} | {PARTS[part] for part in parts_of(VERBS[verb])}
    files |= {trailing.layout.name for trailing in layout_of(VERBS[verb]).lists if layout_of(VERBS[verb]).of_calls}
    if verb == "reserve_in_order":
        files |= {PARTS[part] for part in parts_of(VERBS["reserve"])}
    if verb in {"reserve", "reserve_in_order"}:
        files |= {"candidates", "reserve_quotas"}
    assert Uses.of(verb).files <= files


@pytest.mark.parametrize("verb", [verb for verb, call in VERBS.items() if not layout_of(call).of_calls])
def test_a_verb_uses_every_name_of_its_items(verb: str) -> None:
    """The same for the items of trailing lists."""
    names = {
        f"{table}.{trailing.name}.{name}"
        for trailing in layout_of(VERBS[verb]).lists
        for table, fields in (("key", trailing.layout.keys), ("arg", trailing.layout.args))
        for name in fields.lua
    }
    assert Uses.of(verb).items == names


@pytest.mark.parametrize(
    "text", ["key.polo", "arg.polo", "#arg.polo", "key.candidates[i].polo", "arg.candidates[i].agent", "arg.once"]
)
def test_a_name_that_the_class_does_not_have_stops_the_library_from_being_built(text: str) -> None:
    """The service does not start, however rarely the verb is called."""
    assert resolve_names("key.once .. arg.candidates[i].id", layout_of(VERBS["reserve"]))
    with pytest.raises(NameError, match=r"Reserve|Candidate"):
        resolve_names(f"local value = {text}", layout_of(VERBS["reserve"]))
    with pytest.raises(NameError):
        resolve_names(f"local value = {text}", None)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_answers_with_the_words_of_its_class(verb: str) -> None:
    """How many values follow each word is checked at every call of the store's other tests (tests/store/access.py)."""
    call = VERBS[verb]
    assert set(call.answers) <= Uses.of(verb).answers
    own = [line for line in functions()[verb][1].splitlines() if "return" in line]
    assert {word for line in own for word in ANSWER.findall(line)} <= set(call.answers)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_s_file_says_where_its_names_are(verb: str) -> None:
    """The header leads a reader to the class that says what the verb takes and answers."""
    assert f"-- Takes and answers: verbs.{VERBS[verb].__name__}.\n" in lua_text(verb)


def test_a_call_with_a_missing_or_unknown_name_is_not_made() -> None:
    """Mypy says so before; this is what happens at run time."""
    wrong: Any = Lead
    with pytest.raises(TypeError, match="lease_ms"):
        wrong(life="m", dispatcher="d", load="l", process_id="p")
    with pytest.raises(TypeError, match="lease"):
        wrong(life="m", dispatcher="d", load="l", process_id="p", lease_ms=1, lease=1)


def test_the_repr_of_a_call_says_nothing_of_what_it_carries() -> None:
    """Calls carry sealed texts, profiles and records of decisions."""
    assert repr(Lead(life="m", dispatcher="d", load="l", process_id="p", lease_ms=1)) == "Lead(…)"


class Coat(CallPart, frozen=True, kw_only=True):
    """A part whose names are also names of the call."""

    colour: str
    peg: Key


class Button(CallPart, frozen=True, kw_only=True):
    """An item."""

    hole: Key
    size: int
    thread: Key


class Pocket(CallPart, frozen=True, kw_only=True):
    """An item without a key."""

    coins: int


class Dress(VerbCall, frozen=True, kw_only=True):
    """A call with everything that a call may have."""

    coat: Coat
    door: Key
    owner: str
    pockets: Sequence[Pocket]
    lost: Button | None
    buttons: Sequence[Button]

    answers: ClassVar[Answers] = {}


class Wardrobe(VerbCall, frozen=True, kw_only=True):
    """A list of calls."""

    dresses: Sequence[Dress]

    answers: ClassVar[Answers] = {}


DRESSED = """
local function dress(key, arg)
  local values = {key.peg, arg.colour, key.door, arg.owner, #arg.pockets, #arg.lost, #arg.buttons}
  local function add(value) values[#values + 1] = value end
  for i = 1, #arg.pockets do add(arg.pockets[i].coins) end
  local outer = {key = key, arg = arg}
  if #arg.lost == 1 then
    add(outer.key.lost[1].hole) add(outer.arg.lost[1].size) add(outer.key.lost[1].thread)
  end
  for i = 1, #outer.arg.buttons do
    add(key.buttons[i].hole) add(arg.buttons[i].size) add(outer.key.buttons[i].thread)
  end
  return values
end
"""
WARDROBE = """
local function wardrobe(key, arg)
  local answers = {}
  for n, call in ipairs(read_calls(key, arg, #arg.dresses)) do answers[n] = dress(call.key, call.arg) end
  return answers
end
"""


def as_lua_reads_it(dress: Dress) -> list[bytes | int]:
    """Return the values of a call in the order in which the Lua function above returns them."""
    lost = [] if dress.lost is None else [dress.lost]
    values: list[str | int] = [dress.coat.peg, dress.coat.colour, dress.door, dress.owner]
    values += [len(dress.pockets), len(lost), len(dress.buttons)]
    values += [str(pocket.coins) for pocket in dress.pockets]
    for button in (*lost, *dress.buttons):
        values += [button.hole, str(button.size), button.thread]
    return [value.encode() if isinstance(value, str) else value for value in values]


TEXT = st.text("abc{}|", max_size=3)
BUTTONS = st.builds(Button, hole=TEXT, size=st.integers(0, 9), thread=TEXT)
DRESSES = st.builds(
    Dress,
    coat=st.builds(Coat, colour=TEXT, peg=TEXT),
    door=TEXT,
    owner=TEXT,
    pockets=st.lists(st.builds(Pocket, coins=st.integers(0, 9)), max_size=3),
    lost=st.none() | BUTTONS,
    buttons=st.lists(BUTTONS, max_size=3),
)


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(dresses=st.lists(DRESSES, max_size=3))
async def test_lua_reads_every_value_by_the_name_that_python_gave_it(admin: Admin, dresses: list[Dress]) -> None:
    """Keys, arguments, items with and without keys, an optional item, and calls in a list, in one real call."""
    library = "\n".join(
        [
            "#!lua name=wardrobe",
            resolve_names(lua_text("prelude"), None),
            resolve_names(DRESSED, layout_of(Dress)),
            resolve_names(WARDROBE, layout_of(Wardrobe)),
            "redis.register_function('wardrobe', wardrobe)",
        ]
    )
    keys, args = Wardrobe(dresses=dresses).packed()
    await admin.execute_command("FUNCTION LOAD", "REPLACE", library)
    try:
        answer = await admin.execute_command("FCALL", "wardrobe", len(keys), *keys, *args)
    finally:
        await admin.execute_command("FUNCTION DELETE", "wardrobe")
    assert answer == [as_lua_reads_it(dress) for dress in dresses]


def test_a_class_that_breaks_the_rules_is_refused() -> None:
    """Two fields of one name, a part that does not come first, a list in an item, and a list of calls beside others."""

    class Twice(VerbCall, frozen=True, kw_only=True):
        coat: Coat
        colour: str

    class Late(VerbCall, frozen=True, kw_only=True):
        owner: str
        coat: Coat

    class Nested(VerbCall, frozen=True, kw_only=True):
        sleeves: Sequence[Sleeve]

    class Beside(VerbCall, frozen=True, kw_only=True):
        owner: str
        dresses: Sequence[Dress]

    for wrong in (Twice, Late, Nested, Beside):
        with pytest.raises(TypeError, match=wrong.__name__):
            layout_of(wrong)


class Sleeve(CallPart, frozen=True, kw_only=True):
    """An item with a list of its own, which no call may have."""

    buttons: Sequence[Button]
