"""The lock of what serving needs: it holds every dependency, within its range, each file by its hash."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.version import Version

ROOT: Final = Path(__file__).resolve().parents[2]
EXTRAS: Final = ("web", "postgres", "otel")
LOCKED: Final = re.compile(
    r"^([A-Za-z0-9._-]+)==([^ ;]+)(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def normal(name: str) -> str:
    """Return a package's name in the one form that all spellings of it share."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_locked_within_its_range_and_by_its_hashes() -> None:
    """A new dependency, or a raised range, fails here until `make lock` has run."""
    text = (ROOT / "deploy" / "requirements.txt").read_text()
    locked: dict[str, set[Version]] = {}
    for name, version, hashes in LOCKED.findall(text):
        locked.setdefault(normal(name), set()).add(Version(version))
        assert hashes
    assert sum(map(len, locked.values())) == len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for extra in EXTRAS for line in project["optional-dependencies"][extra]]
    wanted = [Requirement(line) for line in (*project["dependencies"], *extras)]
    missing = [
        str(one)
        for one in wanted
        if not any(one.specifier.contains(version) for version in locked.get(normal(one.name), ()))
    ]
    assert missing == []


def test_the_lock_names_no_host() -> None:
    """Where packages are fetched from is for who builds to say."""
    text = (ROOT / "deploy" / "requirements.txt").read_text()
    assert "://" not in text
    assert "--index-url" not in text


def test_the_image_is_built_from_the_lock() -> None:
    """The builder is sent the lock, and installs nothing before it that no hash is checked of."""
    image = (ROOT / "deploy" / "Dockerfile").read_text()
    sent = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert "!deploy/requirements.txt" in sent
    installs = re.findall(r"pip install (\S+)", image)
    assert installs[0] == "--require-hashes"
