"""The map in docs/architecture.md is true: its rooms, its layers and its files are those of the code."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parent.parent
MATCHER = ROOT / "matcher"
MAP = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def layers() -> list[set[str]]:
    """Return the rows of the layers contract, the highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    rows = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [{name.strip() for name in re.split(r"[|:]", row)} for row in rows]


def test_every_package_has_a_row_in_the_map() -> None:
    """The table of rooms names each package of matcher/ once, and none that is not there."""
    rooms = re.findall(r"^\| `matcher/(\w+)/` \|", MAP, re.MULTILINE)
    assert sorted(rooms) == sorted(path.parent.name for path in MATCHER.glob("*/__init__.py"))


def test_the_picture_of_the_layers_is_the_contract() -> None:
    """Each arrow of the picture leads from one row of the contract to the next."""
    picture = MAP.partition("<!-- layers -->")[2].partition("<!-- /layers -->")[0]
    arrows = [
        [set(re.split(r"\s*&\s*", side.strip())) for side in line.split("-->")]
        for line in picture.splitlines()
        if "-->" in line
    ]
    rows = layers()
    assert arrows == [[upper, lower] for upper, lower in pairwise(rows)]


def test_the_map_names_only_files_that_exist() -> None:
    """Every module, Lua file and document that the map names is there."""
    names = set(re.findall(r"`([\w/.-]+\.(?:py|lua|proto))`", MAP))
    assert [name for name in sorted(names) if not any((base / name).exists() for base in (ROOT, MATCHER))] == []
    participants = re.findall(r"participant \w+ as (\w+/\w+)$", MAP, re.MULTILINE)
    assert [name for name in participants if not (MATCHER / f"{name}.py").exists()] == []
    links = re.findall(r"\]\(([\w./-]+\.md)\)", MAP)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_few_modules_lie_loose_and_the_contract_has_few_rows() -> None:
    """A new module has a room; at most six lie at the root of matcher/, the package face among them."""
    assert len(list(MATCHER.glob("*.py"))) <= 6
    assert len(layers()) <= 10
