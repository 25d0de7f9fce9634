"""The steps of a Dockerfile, run below a folder of this machine that takes the place of the image's root.

Stand-ins take the place of what belongs to the image alone: apt-get and useradd do nothing, install leaves the owners,
and pip takes the libraries from the environment of the tests, so that no index is asked. What pip is told to install
from the image itself is built and installed by its build backend, as in the image.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import site
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from uv import find_uv_bin

ROOT: Final = Path(__file__).resolve().parents[2]
ABSOLUTE: Final = re.compile(r"(?<![\w.:/}*$])/(?=[a-z])")
VARIABLE: Final = re.compile(r"\$\{?(\w+)\}?")
PIP: Final = f"""#!{sys.executable} -I
import pathlib, subprocess, sys
command, *words = sys.argv[1:]
assert command == "install", command
read = [words[place + 1] for place, word in enumerate(words[:-1]) if word in ("-r", "-c")]
missing = [name for name in read if not pathlib.Path(name).is_file()]
assert not missing, f"pip reads {{missing}}, which no step copied"
if "-r" not in words:
    assert words[-1].startswith("."), words
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, "wheels"], check=True)
    (wheel,) = pathlib.Path("wheels").glob("*.whl")
    python = subprocess.run(["which", "python"], check=True, capture_output=True, text=True).stdout.strip()
    into = ["--quiet", "--offline", "--no-deps", "--python", python]
    subprocess.run([{find_uv_bin()!r}, "pip", "install", *into, str(wheel)], check=True)
"""
STAND_INS: Final = {
    "apt-get": "#!/bin/sh\n",
    "useradd": "#!/bin/sh\n",
    "install": f"""#!{sys.executable} -I
import os, sys
words = sys.argv[1:]
kept = [word for place, word in enumerate(words) if word not in ("-o", "-g") and words[place - 1] not in ("-o", "-g")]
os.execv({shutil.which("install")!r}, ["install", *kept])
""",
    "pip": PIP,
}


@dataclass
class Image:
    """What the steps of a Dockerfile have made below `root`.

    env, folder, command: what a container starts with: variables, working folder, CMD. Paths lead below `root`.
    """

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    folder: Path = Path()
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    user: str = "root"
    volumes: list[Path] = field(default_factory=list)

    def below(self, text: str) -> str:
        """Return a text whose absolute paths lead below the root."""
        return ABSOLUTE.sub(f"{self.root}/", text)

    @property
    def libraries(self) -> Path:
        """Return where the image's environment has its packages."""
        (found,) = self.root.glob("opt/matcher/lib/python*/site-packages")
        return found


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, in order: name and the rest of its line."""
    lines = [line for line in dockerfile.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines()) if name]


def sent(pattern: str, ignored: list[str]) -> list[Path]:
    """Return the files of a COPY's source that the builder is sent; [] where it is sent none."""
    source = ROOT / pattern
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    return [path for path in files if not _is_ignored(path.relative_to(ROOT).as_posix(), ignored)]


async def build(dockerfile: Path, root: Path) -> Image:
    """Run the steps of a Dockerfile below `root`, which is empty. Raises AssertionError with what a step said."""
    image, stand_ins = Image(root), root.parent / "stand-ins"
    python = f'#!/bin/sh\nexec {getattr(sys, "_base_executable", sys.executable)} "$@"\n'
    _write_commands(root / "base", {"python": python})
    _write_commands(stand_ins, STAND_INS)
    ignored = dockerfile.with_name(f"{dockerfile.name}.dockerignore").read_text("utf-8").splitlines()
    for name, rest in instructions(dockerfile):
        match name:
            case "FROM":
                image.env, image.folder, image.user = {"PATH": f"{root}/base:/usr/bin:/bin"}, root, "root"
            case "COPY":
                _copy(image, rest.split(), ignored)
            case "RUN":
                await _run(image, stand_ins, rest)
            case _:
                _note(image, name, rest)
    return image


def _write_commands(folder: Path, commands: Mapping[str, str]) -> None:
    folder.mkdir()
    for name, text in commands.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def _note(image: Image, name: str, rest: str) -> None:
    """Note what an instruction says of the image. Raises AssertionError for one that is not known here."""
    match name:
        case "ARG" | "ENV":
            for variable, text in re.findall(r"(\w+)=(\S*)", rest):
                image.env[variable] = VARIABLE.sub(lambda one: image.env.get(one[1], ""), image.below(text))
        case "WORKDIR":
            image.folder = Path(image.below(rest))
            image.folder.mkdir(parents=True, exist_ok=True)
        case "USER":
            image.user = rest
        case "VOLUME":
            image.volumes = [Path(image.below(one)) for one in json.loads(rest)]
        case "HEALTHCHECK":
            image.health = json.loads(rest.partition("CMD")[2])
        case "CMD":
            image.command = json.loads(rest)
        case _:
            assert name in {"EXPOSE", "STOPSIGNAL"}, f"no step of the test takes the place of {name}"


def _copy(image: Image, words: list[str], ignored: list[str]) -> None:
    """Copy what the builder is sent; between stages nothing is copied, since both have one root here."""
    options, (*sources, target) = [word for word in words if word[:2] == "--"], [w for w in words if w[:2] != "--"]
    if any(option.startswith("--from=") for option in options):
        missing = [source for source in sources if not Path(image.below(source)).exists()]
        assert not missing, f"the earlier stage has no {missing}"
        assert sources == [target]
        return
    for source in sources:
        files = sent(source, ignored)
        assert files, f"the builder is not sent {source}"
        for path in files:
            inside = path.relative_to(ROOT / source) if (ROOT / source).is_dir() else Path()
            to = image.folder / target / (path.name if target.endswith("/") else inside)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)


async def _run(image: Image, stand_ins: Path, step: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-ec", image.below(step)),
        cwd=image.folder,
        env={**image.env, "PATH": f"{stand_ins}:{image.env['PATH']}", "HOME": str(image.root)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, f"RUN {step}\n{said.decode(errors='replace')}"
    if "venv" in step:
        (image.libraries / "tests.pth").write_text("\n".join(site.getsitepackages()))


def _is_ignored(path: str, patterns: list[str]) -> bool:
    """Return whether .dockerignore leaves a path out: the last line that names it, or a folder above it, decides."""
    ways = [path, *(parent.as_posix() for parent in Path(path).parents)]
    out = False
    for line in patterns:
        pattern = line.removeprefix("!")
        if (
            pattern
            and not pattern.startswith("#")
            and any(fnmatch(way, pattern) or fnmatch(f"/{way}", pattern.replace("**", "*")) for way in ways)
        ):
            out = not line.startswith("!")
    return out
