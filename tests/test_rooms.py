"""The import contracts of pyproject.toml name every package of matcher/: a new package cannot slip past one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = ROOT / "matcher"
CONTRACTS: Final[dict[str, dict[str, Any]]] = {
    contract["name"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
}
MOST_LAYERS: Final = 10
MOST_LOOSE_MODULES: Final = 5
"""config, telemetry, kernels, aio and the package's own __init__."""

MAY_IMPORT: Final = {
    "Redis only in store": {"store"},
    "Databases only in ledger": {"ledger"},
    "OpenTelemetry only in telemetry": {"telemetry"},
    "FAISS only in index": {"index"},
    "The model libraries only in encoder": {"encoder"},
    "Protobuf and gRPC only in rpc, client, files, server, cli, loadtest and web": {
        "rpc",
        "client",
        "files",
        "server",
        "cli",
        "loadtest",
        "v1",
        "web",
    },
}
"""By contract: the packages that may import the libraries it forbids to all others."""

MAY_BE_REACHED: Final = {
    "Who attacks and judges the service shares no code with it": {"v1"},
    "The gRPC edge reaches only auth, model, errors, telemetry and v1": {
        "rpc",
        "auth",
        "model",
        "errors",
        "telemetry",
        "v1",
    },
    "Affinity, ranking and impact are pure arithmetic": {
        "affinity",
        "impact",
        "ranking",
        "model",
        "errors",
        "kernels",
    },
    "The HTTP gateway is a client of the service": {
        "client",
        "errors",
        "files",
        "model",
        "telemetry",
        "v1",
        "web",
    },
}
"""By contract: the packages that its sources may reach, themselves included."""


DECIDE: Final = {
    "No decision reads an outcome or praise": {
        "affinity",
        "encoder",
        "index",
        "ranking",
        "replica",
        "routing",
        "training",
    },
}
"""By contract: the packages that decide who gets whom."""


def rooms() -> set[str]:
    """Return the packages and the loose modules of matcher/, without its __init__."""
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return packages | {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}


def own(modules: list[str]) -> list[str]:
    """Return the rooms that a contract lists, without libraries."""
    return [module.removeprefix("matcher.") for module in modules if module.startswith("matcher.")]


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_a_library_is_forbidden_to_every_package_but_its_own(name: str) -> None:
    """Each package is either a source of the contract or one that may import the library, and is listed once."""
    assert sorted([*own(CONTRACTS[name]["source_modules"]), *MAY_IMPORT[name]]) == sorted(rooms())


@pytest.mark.parametrize("name", MAY_BE_REACHED)
def test_a_package_that_may_not_be_reached_is_forbidden_by_name(name: str) -> None:
    """Each package is either forbidden to the contract's sources or one that they may reach, and is listed once."""
    assert sorted([*own(CONTRACTS[name]["forbidden_modules"]), *MAY_BE_REACHED[name]]) == sorted(rooms())
    assert not CONTRACTS[name].get("allow_indirect_imports", False)


def test_every_contract_of_packages_is_held_here() -> None:
    """A contract that is added, renamed or removed is noticed: its lists would be checked by nobody."""
    assert {name for name, contract in CONTRACTS.items() if contract["type"] == "forbidden"} == {
        *MAY_IMPORT,
        *MAY_BE_REACHED,
        *DECIDE,
    }


@pytest.mark.parametrize("name", DECIDE)
def test_what_decides_reaches_nothing_of_what_became_of_contacts(name: str) -> None:
    """The contract names every package that decides, and modules that exist; an indirect import breaks it, too."""
    assert set(own(CONTRACTS[name]["source_modules"])) == DECIDE[name]
    assert not CONTRACTS[name].get("allow_indirect_imports", False)
    for module in own(CONTRACTS[name]["forbidden_modules"]):
        path = PACKAGE / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file()


def test_the_layers_are_few_and_name_every_package_once() -> None:
    """At most ten rows, and import-linter refuses a package that none of them names."""
    (layers,) = [contract for contract in CONTRACTS.values() if contract["type"] == "layers"]
    assert len(layers["layers"]) <= MOST_LAYERS
    assert layers["exhaustive"] is True
    assert layers["containers"] == ["matcher"]
    named = [room.strip() for row in layers["layers"] for room in row.split("|")]
    assert sorted(named) == sorted(rooms())


def test_few_modules_lie_loose() -> None:
    """A module that belongs to no package needs a reason to lie at the root of matcher/."""
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_LOOSE_MODULES
