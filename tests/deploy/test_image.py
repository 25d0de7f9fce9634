"""The image: the steps of its Dockerfile in an empty folder, the wheel that they install, and the service it starts."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import openvino
import pytest

from tests.deploy.steps import ROOT, Image, build
from tests.people import wait_until
from tests.processes import SERVING, START_SECONDS, STOP_SECONDS, model_cache

OF_THE_TREE_ALONE: Final = {".md", ".so", ".cpp", ".pyc"}
"""What is no part of an installation, or is built for each."""


@pytest.fixture(scope="module")
async def image(folder: Path) -> Image:
    """Give the image, made once from what the builder is sent."""
    root = folder / "image" / "root"
    root.mkdir(parents=True)
    return await build(ROOT / "deploy" / "Dockerfile", root)


def files(package: Path) -> set[str]:
    """Return the files of a package, by their path in it."""
    return {
        path.relative_to(package).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in OF_THE_TREE_ALONE
    }


def environment(image: Image, **further: str) -> dict[str, str]:
    """Return the image's variables on free ports of the loopback, with the model that the tests have compiled."""
    return {
        **image.env,
        "HOME": str(image.folder),
        "MATCHER_LISTEN": "127.0.0.1:0",
        "MATCHER_METRICS_LISTEN": "127.0.0.1:0",
        "MATCHER_MODEL_CACHE": str(model_cache()),
        "MATCHER_STORE_TIMEOUT_SECONDS": "30",
        **further,
    }


async def said(image: Image, *words: str, **further: str) -> str:
    """Run a command in the image, and return what it prints; fails where the command does."""
    process = await asyncio.create_subprocess_exec(
        *(str(image.root / "opt/matcher/bin" / words[0]), *words[1:]),
        cwd=image.folder,
        env=environment(image, **further),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, f"{' '.join(words[:3])}: {out.decode()}{errors.decode()}"
    return out.decode()


async def key(image: Image, name: str, grant: str, *further: str, **variables: str) -> str:
    """Make a key with `matcher access create`; return its text."""
    return (await said(image, "matcher", "access", "create", name, "--grant", grant, *further, **variables)).strip()


@asynccontextmanager
async def serving(image: Image) -> AsyncIterator[str]:
    """Run the image's command until the block ends; yield where it serves."""
    log = image.root.parent / "log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(str(image.root / "opt/matcher/bin" / image.command[0]), *image.command[1:]),
            cwd=image.folder,
            env=environment(image, MATCHER_LEDGER_URL=f"sqlite:///{image.folder}/ledger.sqlite"),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
        assert line.startswith(SERVING.encode()), log.read_text("utf-8")
        yield line.decode().removeprefix(SERVING).strip()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS):
            await process.communicate()
        assert process.returncode == 0, log.read_text("utf-8")
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def test_every_file_of_the_package_is_in_the_wheel(image: Image) -> None:
    """Lua verbs, lexicon, themes, maps, pages, scripts of the ledger's migrations: a new kind of file fails here."""
    installed = image.libraries / "matcher"
    assert not installed.is_symlink()
    assert files(installed) == files(ROOT / "matcher")


def test_what_the_image_leaves_out_is_there_to_be_left_out() -> None:
    """The parts of OpenVINO that the image removes have these names: a version with other names fails here."""
    removed = re.findall(r"site-packages/openvino/libs/(\S+)", (ROOT / "deploy" / "Dockerfile").read_text("utf-8"))
    (libraries,) = (Path(folder) / "libs" for folder in openvino.__path__)
    assert len(removed) == 3
    assert [name for name in removed if not (libraries / name).is_file()] == []


async def test_an_installation_outside_the_tree_serves_and_routes(image: Image) -> None:
    """The image's own command, health check and commands: the service starts on nothing but what was installed.

    It writes nowhere but in its volumes, so that the root may be read-only.
    """
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image.user), "the image runs as root"

    def outside() -> set[Path]:
        return {
            path
            for path in image.root.rglob("*")
            if "__pycache__" not in path.parts and not any(path.is_relative_to(volume) for volume in image.volumes)
        }

    before = outside()
    where = await said(image, "python", "-c", "import matcher; print(matcher.__file__)")
    assert Path(where.strip()).is_relative_to(image.root)
    assert "RoutingService/RouteMessage" in await said(image, "matcher", "roles")
    roster = image.folder / "agents.jsonl"
    async with serving(image) as target:
        at = ("--server", target)
        check = [target if word == "127.0.0.1:50051" else word for word in image.health]

        async def healthy() -> bool:
            with suppress(AssertionError):
                return bool(await said(image, *check))
            return False

        # As a container's engine, which asks again: on a busy machine the store may be slow for a moment.
        await wait_until(healthy, "the image's health check succeeds")
        owner = await key(image, "boss", "owner", "--local")

        async def known() -> bool:
            with suppress(AssertionError):
                return bool(await said(image, "matcher", "access", "list", *at, MATCHER_TOKEN=owner))
            return False

        # A key that was made beside the service is known within two seconds: so often the service asks its store.
        await wait_until(known, "the service knows the key that was made beside it")
        token = await key(image, "shop", "admin", "--grant", "platform", *at, MATCHER_TOKEN=owner)
        roster.write_text('{"id": "bea", "interests": ["I keep honey bees."], "status": "ONLINE"}\n', "utf-8")
        await said(image, "matcher", "agents", "import", str(roster), *at, MATCHER_TOKEN=token)
        routed = await said(image, "matcher", "route", "My bees have swarmed.", *at, MATCHER_TOKEN=token)
        assert "bea" in routed
    assert (image.folder / "ledger.sqlite").exists()
    assert outside() == before
