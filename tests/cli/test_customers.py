"""`matcher customers`: files of customers in and out, and what is remembered, shown and forgotten."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from matcher.files.customer_file import read_customers, text_of
from matcher.files.roster_file import Form
from matcher.v1 import customers_pb2 as pb
from tests.cli.command import Result, matcher
from tests.processes import Server

TRICKY = ('I say "no"|yes.', "=SUM(A1)", "Ich züchte Bienen.", "-5 degrees, and I swim.")


def customer(number: int, *interests: str) -> pb.Customer:
    """Return a customer with interests and a consent of an hour."""
    given = pb.Customer(
        handles=[f"mail{number}@example.org", f"+49 30/{number}"],
        interests=[
            pb.CustomerInterest(text=text, source="crm" if place else "") for place, text in enumerate(interests)
        ],
    )
    if interests:
        given.consent.basis = "terms; asked"
        given.consent.time.FromSeconds(int(time.time()) - 60)
        given.consent.expire_time.FromSeconds(int(time.time()) + 3_600)
        given.consent.shareable = bool(number % 2)
    return given


@pytest.mark.parametrize("form", Form)
def test_what_is_written_is_read_back(form: Form) -> None:
    """Texts with bars, quotes, formulas and lines; several interests with and without a source; no interests."""
    customers = [customer(1, *TRICKY), customer(2, "I sail."), customer(3)]
    read = read_customers(text_of(customers, form).encode(), form)
    assert read.bad == ()
    assert [row.customer for row in read.good] == customers


def test_every_wrong_cell_of_a_file_is_named_with_its_row() -> None:
    """The other rows are read."""
    rows = [
        {"handles": ["a"], "interests": ["I sail."], "consent_basis": "t", "consent_time": "yesterday"},
        {"handles": "b", "interests": ["I sail."], "shareable": "perhaps"},
        {"handles": ["c"], "interests": ["I sail.", "I swim."], "sources": ["x", "y", "z"]},
        {"handles": ["d", "c"], "colour": "red"},
        {"handles": ["e"], "interests": ["I sail."], "sources": "crm", "consent_basis": "t", "shareable": "yes"},
    ]
    read = read_customers("".join(json.dumps(row) + "\n" for row in rows).encode(), Form.JSONL)
    assert [(bad.line, [wrong.field for wrong in bad.violations]) for bad in read.bad] == [
        (1, ["consent_time"]),
        (2, ["handles", "shareable"]),
        (3, ["sources"]),
        (4, ["handles[1]"]),
    ]
    (good,) = read.good
    assert (good.line, good.customer.interests[0].source, good.customer.consent.shareable) == (5, "crm", True)
    assert read.unread == {"colour": 4}
    assert [bad.violations[0].field for bad in read_customers(b"id;name\n1;2\n", Form.CSV).bad] == ["handles"]
    assert [bad.violations[0].field for bad in read_customers(b"PK\x03\x04", Form.CSV).bad] == ["file"]


async def test_customers_are_imported_exported_shown_linked_and_forgotten(service: Server, tmp_path: Path) -> None:
    """An export that is imported changes nothing; a dry run writes nothing; a bad row is named and the others go in."""
    site = await service.site()

    async def run(*words: str) -> Result:
        return await matcher("customers", *words, "--server", service.target, "--site", site)

    file = tmp_path / "people.csv"
    file.write_text(text_of([customer(1, *TRICKY), customer(2, "I sail.")], Form.CSV), "utf-8")
    dry = await run("import", str(file), "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert dry.documents()[-1]["summary"] == {"created": 2, "updated": 0, "unchanged": 0, "rejected": 0}
    assert (await run("list", "--json")).documents() == []
    assert "2 created" in (await run("import", str(file))).out
    exported = tmp_path / "out.jsonl"
    assert (await run("export", str(exported))).code == 0
    again = await run("import", str(exported))
    assert (again.code, again.out.strip()) == (0, "2 unchanged")

    late = customer(3, "I run.")
    late.consent.expire_time.FromSeconds(int(time.time()) - 1)
    both = customer(4, "I bake.", "x" * 513)
    exported.write_text(text_of([late, both, customer(1, "I bake.")], Form.JSONL), "utf-8")
    mixed = await run("import", str(exported))
    assert mixed.code == 1
    assert "line 1: consent_expires" in mixed.err
    assert "line 2: interests[1] has 513 characters" in mixed.err
    assert "1 updated, 2 rejected" in mixed.out

    shown = await run("get", "--handle", "mail1@example.org")
    assert "I bake." in shown.out
    assert "may be shown" in shown.out
    (found,) = (await run("get", "--handle", "mail1@example.org", "--json")).documents()
    assert [one["text"] for one in found["interests"]] == ["I bake."]
    assert (await run("link", "mail2@example.org", "fax")).code == 0
    assert (await run("forget", "--handle", "fax")).out.startswith("forgot ")
    assert (await run("get", "--handle", "mail2@example.org")).code == 1
    assert len((await run("list", "--json")).documents()) == 1
