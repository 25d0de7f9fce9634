"""Roster files as people have them: from spreadsheets, from programs, torn, and decoded wrongly."""

import json

import pytest

from matcher.files.roster_file import Form, RosterFile, read_roster
from matcher.files.roster_rows import BadRow
from matcher.v1 import roster_pb2 as pb

RECORDS = [{"id": "ana", "interests": ["I sail."]}, {"id": "ben", "interests": ["I dig."], "skills": {"tax": 3.0}}]


def csv(text: str, encoding: str = "utf-8") -> RosterFile:
    """Return the contents of a CSV file."""
    return read_roster(text.encode(encoding), Form.CSV, "default")


def lines_of(*records: object) -> bytes:
    """Return records as JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def faults(bad: BadRow) -> list[tuple[str, str]]:
    """Return the violations of a row."""
    return [(violation.field, violation.description) for violation in bad.violations]


@pytest.mark.parametrize(
    "text",
    [
        "id;interests;;;\nana;I sail.;;;\n",
        "sep=;\nid;interests\nana;I sail.\n",
        '"sep=;"\r\nid;interests\r\nana;I sail.\r\n',
        "SEP=\t\nid\tinterests\nana\tI sail.\n",
        "ID,Interests\nana,I sail.\n",
        " Interests , Id ,\nI sail.,ana\n",
        ";;\n\nid;interests;\nana;I sail.;;;;\n;;;\n",
    ],
)
def test_a_spreadsheets_header_is_understood(text: str) -> None:
    """Ghost columns, ghost rows, the separator's line, and names in any case, order and space."""
    roster = csv(text)
    assert roster.bad == ()
    assert [(row.agent_id, list(row.agent.interests), set(row.fields)) for row in roster.good] == [
        ("ana", ["I sail."], {"interests"})
    ]


def test_names_of_columns_count_without_case_and_space() -> None:
    """A person writes "Display Name" and "Capacity-Total"."""
    (row,) = csv("ID,Display Name,Capacity-Total\nana,Ana,4\n").good
    assert (row.agent.display_name, row.agent.capacity.total) == ("Ana", 4)
    assert row.fields == {"display_name", "capacity.total"}


def test_the_lines_after_the_separators_line_have_their_own_numbers() -> None:
    """The line of an error is the line of the file."""
    (bad,) = csv("sep=;\nid;skills\nana;tax:x\n").bad
    assert (bad.line, faults(bad)) == (3, [("skills.tax", "is 'x', not a whole number")])


def test_a_cell_without_a_column_is_named_by_letter_and_line() -> None:
    """A separator in a text moves the cells: none is lost silently."""
    (bad,) = csv("id,interests,,status\nana,I sail, and row.,ONLINE,x\n").bad
    assert (bad.line, faults(bad)) == (
        2,
        [
            ("line", "has a cell in column C, which the header does not name"),
            ("line", "has a cell in column E, which the header does not name"),
        ],
    )


def test_a_row_without_its_last_cells_has_empty_ones() -> None:
    """A program leaves out the separators at the end of a row."""
    (row,) = csv("id,interests,skills,status\nana,I sail.\n").good
    assert (list(row.agent.skills), row.agent.status) == ([], pb.AGENT_STATUS_UNSPECIFIED)
    assert row.fields == {"interests", "skills"}


def test_a_file_in_utf_16_is_read() -> None:
    """A spreadsheet's "Unicode text" is UTF-16 with tabs."""
    (row,) = csv("id\tdisplay_name\nana\tRenée\n", "utf-16").good
    assert row.agent.display_name == "Renée"


@pytest.mark.parametrize(
    ("header", "cells", "capacity", "fields"),
    [
        ("capacity_total", "9", pb.Capacity(total=9), {"capacity.total"}),
        ("capacity_total", "", pb.Capacity(total=1), {"capacity.total"}),
        (
            "channels",
            "mail:2:1",
            pb.Capacity(channels=[pb.ChannelCapacity(channel="mail", cost=2, max=1)]),
            {"capacity.channels"},
        ),
        ("capacity_total,channels", ",", None, {"capacity"}),
        ("capacity_total,channels", "9,", pb.Capacity(total=9), {"capacity"}),
    ],
)
def test_a_column_of_the_capacity_leaves_the_other_one(
    header: str, cells: str, capacity: pb.Capacity | None, fields: set[str]
) -> None:
    """Both empty: the capacity of a new agent."""
    (row,) = csv(f"id,{header}\nana,{cells}\n").good
    assert (row.agent.capacity if row.agent.HasField("capacity") else None) == capacity
    assert row.fields == fields


def test_the_status_is_changed_only_if_that_was_said() -> None:
    """Any case is understood; for agents who exist the column counts with --with-status."""
    data = b"id,status\nana,away\n"
    for said, fields in ((False, set()), (True, {"status"})):
        (row,) = read_roster(data, Form.CSV, "default", with_status=said).good
        assert (row.agent.status, set(row.fields)) == (pb.AWAY, fields)
        assert list(row.row.update_mask.paths) == (["status"] if said else ["name"])


@pytest.mark.parametrize("form", [Form.JSON, Form.JSONL])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_of_objects_is_read_entry_by_entry(form: Form, indent: int | None) -> None:
    """Also a file named .jsonl, also on one line, also over many lines; rows are counted by entry."""
    roster = read_roster(json.dumps(RECORDS, indent=indent).encode(), form, "default")
    assert (roster.unit, roster.bad) == ("entry", ())
    assert [(row.line, row.agent_id) for row in roster.good] == [(1, "ana"), (2, "ben")]
    assert roster.good[1].agent.skills[0].level == 3


def test_objects_over_several_lines_are_read() -> None:
    """What a program prints for people, one object after the other."""
    data = "".join(json.dumps(record, indent=2) + "\n" for record in RECORDS).encode()
    assert [row.agent_id for row in read_roster(data, Form.JSON, "default").good] == ["ana", "ben"]
    by_hand = b'{"id": "ana",\n "interests": ["I sail."]}\n{"id": "ben",\n "display_name": "Ben"}\n'
    assert [row.agent_id for row in read_roster(by_hand, Form.JSON, "default").good] == ["ana", "ben"]


@pytest.mark.parametrize("form", [Form.JSON, Form.JSONL])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "wrapped",
    [
        {"agents": RECORDS},
        {"total": 2, "tags": ["x"], "users": RECORDS, "next": None},
        {"data": {"page": [1], "items": RECORDS}},
    ],
)
def test_an_array_in_an_object_is_read(form: Form, indent: int | None, wrapped: object) -> None:
    """An API answers with its list under a name; what stands beside the list is not read."""
    roster = read_roster(json.dumps(wrapped, indent=indent).encode(), form, "default")
    assert (roster.unit, roster.bad, dict(roster.unread)) == ("entry", (), {})
    assert [(row.line, row.agent_id) for row in roster.good] == [(1, "ana"), (2, "ben")]


def test_an_object_without_agents_and_a_line_with_lists_are_no_arrays() -> None:
    """An agent's own lists, also with an id in them, stay the agent's."""
    data = lines_of({"tags": ["x"], "pools": [{"id": "p"}], "id": "ana"}, {"id": "ben"})
    roster = read_roster(data, Form.JSONL, "default")
    assert (roster.unit, [row.agent_id for row in roster.good]) == ("line", ["ben"])
    (bad,) = read_roster(b'{"agents": ["ana"]}', Form.JSON, "default").bad
    assert faults(bad) == [("id", "is missing")]


def test_a_torn_array_has_one_error_and_keeps_what_was_whole() -> None:
    """Not one red line for each line of the file; and a bad row stops --prune."""
    whole = json.dumps(RECORDS, indent=2).encode()
    roster = read_roster(whole[: whole.index(b"ben")], Form.JSON, "default")
    assert [row.agent_id for row in roster.good] == ["ana"]
    (bad,) = roster.bad
    assert bad.line == 2
    assert faults(bad) == [("entry", "is not JSON: parse error: premature EOF; nothing after it was read")]


def test_entries_that_are_no_agents_are_named() -> None:
    """A number, a field given twice, and an id that an earlier entry has."""
    data = b'[{"id": "ana"}, 7, {"id": "b", "id": "c"}, {"id": "ana"}]'
    assert [(bad.line, faults(bad)) for bad in read_roster(data, Form.JSON, "default").bad] == [
        (2, [("entry", "is not a JSON object")]),
        (3, [("id", "appears twice")]),
        (4, [("id", "is also in entry 1")]),
    ]


@pytest.mark.parametrize("form", [Form.JSON, Form.JSONL])
def test_half_of_a_character_is_named_by_row_and_field(form: Form) -> None:
    """Also in an array, whose fast parser would read a question mark; whole characters and escaped signs stay."""
    halves = [
        '{"id": "ana", "interests": ["I sail.", "I dig \\ud83d."]}',
        '{"id": "ben", "interests": ["I dig."], "display_name": "\\udfb7 Ben"}',
        '{"id": "cy", "interests": ["I play the \\ud83c\\udfb7.", "C:\\\\ud83d"]}',
    ]
    text = f"[{', '.join(halves)}]" if form is Form.JSON else "\n".join(halves)
    roster = read_roster(text.encode(), form, "default")
    assert [(bad.line, bad.agent_id, faults(bad)) for bad in roster.bad] == [
        (1, "ana", [("interests[1]", "has half of a character (\\ud83d): write the whole one")]),
        (2, "ben", [("display_name", "has half of a character (\\udfb7): write the whole one")]),
    ]
    assert [list(row.agent.interests) for row in roster.good] == [["I play the 🎷.", "C:\\ud83d"]]


def test_an_array_that_is_not_utf8_is_named_so() -> None:
    """Whatever its other faults are."""
    for rest in (b"", b" \\ud83d"):
        (bad,) = read_roster(b'[{"id": "ana", "interests": ["caf\xe9' + rest + b'"]}]', Form.JSON, "default").bad
        assert faults(bad) == [("entry", "is not UTF-8; nothing after it was read")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_a_file_in_another_encoding_of_unicode_is_read(encoding: str) -> None:
    """With a mark, and as programs write UTF-16 that forget it."""
    assert [row.agent.display_name for row in csv("id,display_name\r\nana,Tomás 🎷\r\n", encoding).good] == ["Tomás 🎷"]


def test_comments_before_the_header_and_the_mark_of_an_old_end_of_file_are_no_rows() -> None:
    """The separator is that of the header, whatever the comment holds; line numbers are those of the file."""
    roster = csv("# roster, of May, by Ana\n#\nid;interests\nana;I sail.\n\x1a")
    assert ([(row.line, row.agent_id) for row in roster.good], roster.bad) == ([(4, "ana")], ())


def test_what_a_spreadsheet_could_not_compute_is_no_text() -> None:
    """It is named by its field, and --as-is takes it."""
    roster = csv("id,display_name,interests\nana,#REF!,I sail.|#N/A\nben,#1 fan,I like C#.\n")
    ana, ben = roster.good
    assert [wrong.field for wrong in ana.misread] == ["display_name", "interests[1]"]
    assert ana.misread[0].description.startswith("is an error of the spreadsheet")
    assert ben.misread == ()


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("TomÃ¡s", "Tomás"),
        ("I donâ€™t sail.", "I don’t sail."),
        ("ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Привет"),
        ("Tomás", ""),
        ("SÃO PAULO", ""),
        ("日本語", ""),
        ("“Łódź” — café", ""),
    ],
)
def test_a_text_that_was_decoded_wrongly_is_noticed(text: str, right: str) -> None:
    """The error shows the text and what it was; texts of any script that are right stay."""
    (row,) = csv(f"id,display_name\nana,{text}\n").good
    assert len(row.misread) == bool(right)
    assert all(f"{text!r} is {right!r}" in violation.description for violation in row.misread)


def test_a_letter_that_was_lost_is_noticed() -> None:
    """U+FFFD stands where a program could not decode."""
    (row,) = csv("id,interests\nana,I bake br\ufffdd.\n").good
    assert [violation.field for violation in row.misread] == ["interests[0]"]
