"""Roster files: good rows are read, bad rows are named by line and field, and an export reads back unchanged."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.cli.file_access import form_of, write_text
from matcher.cli.session import CommandError
from matcher.client import Violation
from matcher.files.roster_file import Form, read_roster, roster_text
from matcher.v1 import roster_pb2 as pb

EXAMPLES = Path(__file__).parents[2] / "examples"


def wrong(data: bytes, form: Form) -> dict[int, list[tuple[str, str]]]:
    """Return the violations of a file, by line."""
    return {
        bad.line: [(violation.field, violation.description) for violation in bad.violations]
        for bad in read_roster(data, form, "default").bad
    }


def test_every_bad_json_line_is_named_with_its_fields_and_the_good_ones_are_kept() -> None:
    """A wrong encoding, broken JSON, a wrong type and a duplicate id each name their line; the others are read."""
    data = b"\n".join(
        [
            b'{"id": "ana", "interests": ["I sail."]}',
            b'{"id": "ben", "interests": [1], "skills": {"tax": "good"}, "status": "GONE"}',
            b'{"id": "cy", "interests": ',
            b'{"id": "ana", "interests": ["I row."]}',
            b"[1]",
            b"",
            b'{"id": "dee", "display_name": "Ren\xe9", "interests": ["I knit."]}',
            b'{"display_name": "Nobody"}',
            b'{"id": "eve", "id": "eva", "interests": ["I dig."]}',
            b'{"id": "flo", "interests": ["\\ud800"]}',
            b'{"id": "gus", "interests": ["I ski."], "capacity": {"total": 99999999999, "channels": [7]}}',
            b'{"id": "hal", "interests": ["I act."], "capacity": {"total": true}}',
            '{"id": "zoë", "interests": "I sing.\\nI swim."}'.encode(),
        ]
    )
    roster = read_roster(data, Form.JSONL, "default")
    assert [row.agent_id for row in roster.good] == ["ana", "zoë"]
    assert list(roster.good[1].agent.interests) == ["I sing.", "I swim."]
    assert wrong(data, Form.JSONL) == {
        2: [
            ("interests[0]", "is a number, not a text"),
            ("skills.tax", "is a text, not a whole number"),
            ("status", "is none of ONLINE, DRAINING, OFFLINE, AWAY"),
        ],
        3: [("line", "is not JSON: Expecting value (column 27)")],
        4: [("id", "is also on line 1")],
        5: [("line", "is not a JSON object")],
        7: [("display_name", "is not UTF-8 (column 35)")],
        8: [("id", "is missing")],
        9: [("id", "appears twice")],
        10: [("interests[0]", "has half of a character (\\ud800): write the whole one")],
        11: [("capacity.total", "is out of range")],
        12: [("capacity.total", "is a truth value, not a whole number")],
    }


def test_every_bad_csv_row_is_named_with_its_fields_and_the_good_ones_are_kept() -> None:
    """A row is named by its first line, also after a cell of several lines."""
    data = b"".join(
        [
            b"id,display_name,interests,skills,channels,capacity_total,status\n",
            b'ana,Ana,"I sail.\nI row.",tax:3|law:1,chat:1:2,2,ONLINE\n',
            b"ben,Ren\xe9,I knit.,,,,\n",
            b"cy,Cy,I dig.|I act.,tax,chat,x,\n",
            b"dee,Dee,I ski.\n",
            b'eve,"E"ve,I ski.,,,,\n',
            b"\n",
            b"flo,Flo,I swim.,tax:1|tax:2,,,\n",
            b"gus,Gus,I swim.,,,,\n",
        ]
    )
    roster = read_roster(data, Form.CSV, "default")
    assert [(row.line, row.agent_id) for row in roster.good] == [(2, "ana"), (6, "dee"), (10, "gus")]
    ana = roster.good[0].agent
    assert list(ana.interests) == ["I sail.", "I row."]
    assert [(skill.skill, skill.level) for skill in ana.skills] == [("tax", 3), ("law", 1)]
    assert ana.capacity == pb.Capacity(total=2, channels=[pb.ChannelCapacity(channel="chat", cost=1, max=2)])
    assert not roster.good[1].agent.HasField("capacity")  # the missing last cells are empty ones
    assert wrong(data, Form.CSV) == {
        4: [("display_name", "is not UTF-8")],
        5: [
            ("skills", "has 'tax', which is not skill:level"),
            ("capacity_total", "is 'x', not a whole number"),
            ("channels", "has 'chat', which is not channel:cost:max"),
        ],
        7: [("line", "is not CSV: ',' expected after '\"'")],
        9: [("skills", "has 'tax' twice")],
    }


@pytest.mark.parametrize(
    ("data", "violations"),
    [
        (b"name\nana\n", [("id", "is a column that is missing; the columns are name")]),
        (
            b"Roster of May\n\nid,interests\na,b\n",
            [("id", "is a column that is missing; line 3 has it: remove the lines before that")],
        ),
        (b"PK\x03\x04\x14", [("file", "is a spreadsheet's own file: save it as CSV UTF-8")]),
        (b"id,ID ,interests\na,b,c\n", [("line", "names the column id twice")]),
        (b"\xff\xfei", [("file", "begins as UTF-16 and is not: save it as UTF-8")]),
    ],
)
def test_a_csv_file_with_a_wrong_header_is_refused_at_line_1(data: bytes, violations: list[tuple[str, str]]) -> None:
    """Without its columns no row can be read, and the missing columns are named."""
    assert read_roster(data, Form.CSV, "default").good == ()
    assert wrong(data, Form.CSV) == {1: violations}


def test_a_spreadsheets_csv_is_read_with_its_mark_and_its_semicolons() -> None:
    """Spreadsheets of many countries write a byte order mark and semicolons."""
    roster = read_roster("\ufeffid;interests\r\nana;I sail.|I row.\r\n".encode(), Form.CSV, "default")
    assert [(row.agent_id, list(row.agent.interests)) for row in roster.good] == [("ana", ["I sail.", "I row."])]


def test_a_column_named_capacity_is_the_total_and_two_totals_are_refused() -> None:
    """The word that people write is not lost beside `channels`, nor where both columns are there."""
    (row,) = read_roster(b"id,Capacity,channels\nana,4,chat:1\n", Form.CSV, "default").good
    assert (row.agent.capacity.total, [one.channel for one in row.agent.capacity.channels]) == (4, ["chat"])
    assert wrong(b"id,capacity,capacity_total\nana,4,3\n", Form.CSV) == {
        2: [("capacity", "is a column beside capacity_total: keep one of the two")]
    }


def test_an_unknown_field_is_named_once_with_its_first_line() -> None:
    """A misspelt column would otherwise be lost silently."""
    data = b'{"id": "a", "interests": []}\n{"id": "b", "interests": [], "skils": {}}\n{"id": "c", "skils": {}}\n'
    assert read_roster(data, Form.JSONL, "default").unread == {"skils": 2}


def test_ids_of_pools_become_names_of_the_site() -> None:
    """A file names the pool "billing", so that it can be imported into any site."""
    data = b'{"id": "a", "interests": ["x"], "pools": ["billing", "sites/other/pools/p"]}'
    agent = read_roster(data, Form.JSONL, "acme").good[0].agent
    assert list(agent.pools) == ["sites/acme/pools/billing", "sites/other/pools/p"]


@pytest.mark.parametrize("name", ["agents.jsonl", "agents.csv"])
def test_the_example_rosters_have_no_bad_row(name: str) -> None:
    """The rosters of examples/ can be imported as they are."""
    roster = read_roster((EXAMPLES / name).read_bytes(), form_of(name, None), "default")
    assert roster.good
    assert roster.bad == ()
    assert roster.unread == {}


def test_a_file_name_without_a_known_ending_needs_the_format() -> None:
    """A wrong guess would make every row a bad one."""
    assert form_of("agents.txt", Form.CSV) is Form.CSV
    assert form_of("-", None) is Form.JSONL
    with pytest.raises(CommandError, match="--format"):
        form_of("agents.txt", None)


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """The target is a folder: the export fails, and no partial file stays beside it."""
    target = tmp_path / "agents.jsonl"
    target.mkdir()
    with pytest.raises(CommandError, match="cannot be written"):
        write_text(str(target), roster_text(Form.JSONL, [pb.Agent(name="sites/default/agents/a")]))
    assert list(tmp_path.iterdir()) == [target]


ids = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True)
texts = st.text(max_size=60) | st.text("a|[]\"'=+-@\n\r\t ,;:\\\ufeff\uff1d", max_size=12)
"""What the service takes: any text, with the signs that mean something to CSV, JSON or a spreadsheet among the rest."""


@st.composite
def agents(draw: st.DrawFn) -> pb.Agent:
    """Draw an agent as the service returns it."""
    return pb.Agent(
        name=f"sites/default/agents/{draw(ids)}",
        display_name=draw(texts),
        interests=draw(st.lists(texts.map(str.strip).filter(bool), min_size=1, max_size=4)),
        skills=[
            pb.Skill(skill=skill, level=draw(st.integers(1, 100)))
            for skill in draw(st.lists(ids, max_size=3, unique=True))
        ],
        languages=draw(st.lists(st.sampled_from(["en", "de-CH", "pt-BR"]), unique=True)),
        capacity=pb.Capacity(
            total=draw(st.integers(0, 1_000_000)),
            channels=[
                pb.ChannelCapacity(channel=channel, cost=draw(st.integers(1, 9)), max=draw(st.integers(0, 9)))
                for channel in draw(st.lists(ids, max_size=3, unique=True))
            ],
        ),
        pools=[f"sites/default/pools/{pool}" for pool in draw(st.lists(ids, max_size=3))],
        manager=draw(st.just("") | ids),
        status=draw(st.sampled_from([pb.ONLINE, pb.DRAINING, pb.OFFLINE, pb.AWAY])),
    )


@settings(deadline=None, max_examples=200)
@given(roster=st.lists(agents(), max_size=4, unique_by=lambda agent: agent.name), form=st.sampled_from(list(Form)))
def test_an_export_is_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, roster: list[pb.Agent], form: Form
) -> None:
    """For any names and interests, in every format, reading an export gives the same agents."""
    path = tmp_path_factory.mktemp("export") / f"agents.{form}"
    write_text(str(path), roster_text(form, roster))
    read = read_roster(path.read_bytes(), form, "default")
    assert read.bad == ()
    back = [row.agent for row in read.good]
    for agent, row in zip(back, read.good, strict=True):
        agent.name = f"sites/default/agents/{row.agent_id}"
    assert back == roster


def test_a_violation_of_a_row_has_the_type_of_the_clients_violations() -> None:
    """Rows refused here and rows refused by the service are reported alike."""
    bad = read_roster(b"1", Form.JSONL, "default").bad[0]
    assert bad.violations == (Violation("line", "is not a JSON object"),)
