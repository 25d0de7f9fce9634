"""Tools find the store and the models of the service that runs on this machine, and make no second store beside it."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from matcher.config import load
from matcher.server import announcement
from matcher.server.announcement import announced, running_services
from tests.cli.command import Result, matcher
from tests.conftest import StartServer
from tests.people import hire, person


def shell(home: Path, **more: str) -> Mapping[str, str]:
    """Return the environment of a second terminal of the service's user: it names no data directory."""
    return {"XDG_STATE_HOME": str(home / "state"), "XDG_DATA_HOME": str(home / "share"), **more}


async def test_every_tool_that_opens_the_store_uses_the_running_service(launch: StartServer, tmp_path: Path) -> None:
    """Each says on stderr which data it used, and the default data directory is never made."""
    server = await launch({})
    async with server.client() as client:
        await hire(client, {"bea": person("I keep honey bees.")})
    used = f"using the data of {server.target} (process {server.process.pid}): {server.data_dir}\n"
    models = await matcher("models", "list", "--json", environment=shell(tmp_path))
    assert [model["answers"] for model in models.documents()] == [True]
    assert json.loads(models.err) == {"note": used.strip()}
    status = await matcher("store", "status", environment=shell(tmp_path))
    assert (status.code, status.err) == (0, used)
    assert str(server.process.pid) in status.out
    keys = await matcher("keys", "list", environment=shell(tmp_path))
    assert (keys.code, keys.err) == (0, used)
    assert (await matcher("keys", "add", "request", environment=shell(tmp_path))).code == 0
    backup = await matcher("backup", str(tmp_path / "b"), environment=shell(tmp_path))
    assert (backup.code, backup.err) == (0, used)
    restored = await matcher("restore", str(tmp_path / "b"), environment=shell(tmp_path))
    assert restored.code == 1
    assert restored.err.startswith("error: a service runs here (127.0.0.1:")
    shown = await matcher("config", environment=shell(tmp_path))
    assert f"a service runs here: {server.target} (process {server.process.pid}): {server.data_dir}" in shown.err
    assert not (tmp_path / "share").exists()


async def test_the_plot_and_the_commands_of_models_use_the_model_that_the_service_has_compiled(
    launch: StartServer, tmp_path: Path
) -> None:
    """Nothing is compiled a second time."""
    server = await launch({})
    async with server.client() as client:
        await hire(client, {"bea": person("I keep honey bees.", "I sail.")})
    drawn = await matcher(
        *("suggest", "My bees have swarmed.", "--plot", str(tmp_path / "map.png"), "--server", server.target),
        environment=shell(tmp_path),
    )
    assert drawn.code == 0, drawn.err
    assert "map.png by all-MiniLM-L6-v2+universal-sentence-encoder-multilingual: " in drawn.err
    assert "compiling" not in drawn.err
    compiled = await matcher("compile", environment=shell(tmp_path))
    assert (compiled.code, compiled.err) == (0, "")
    assert not (tmp_path / "share").exists()


async def test_a_second_service_on_the_port_starts_no_store(launch: StartServer, tmp_path: Path) -> None:
    """It says that the port is taken before it makes a data directory."""
    server = await launch({})
    second = await matcher("serve", "--listen", server.target, environment=shell(tmp_path))
    assert (second.code, second.err.splitlines()[-1]) == (
        1,
        f"error: cannot listen on {server.target}: another service is there",
    )
    assert not (tmp_path / "share").exists()


async def test_of_several_services_one_is_named(launch: StartServer, tmp_path: Path) -> None:
    """Without --server the command lists them; a data directory in the environment is always obeyed."""
    one, other = await launch({}), await launch({"MATCHER_DATA_DIR": str(tmp_path / "other")})
    unnamed = await matcher("models", "list", environment=shell(tmp_path))
    assert unnamed.code == 1
    assert one.target in unnamed.err
    assert other.target in unnamed.err
    assert "say which one with --server" in unnamed.err
    named = await matcher("models", "list", "--server", other.target, environment=shell(tmp_path))
    assert f"using the data of {other.target}" in named.err
    by_target = await matcher("models", "list", environment=shell(tmp_path, MATCHER_TARGET=one.target))
    assert f"using the data of {one.target}" in by_target.err
    obeyed = await matcher("models", "list", environment=shell(tmp_path, MATCHER_DATA_DIR=str(one.data_dir)))
    assert (obeyed.code, obeyed.err) == (0, "")
    missing = await matcher("models", "list", "--server", "127.0.0.1:1", environment=shell(tmp_path))
    assert "no service of this user listens at 127.0.0.1:1 on this machine" in missing.err
    assert await other.stop() == 0  # the last user of the other store ends it


async def test_a_killed_service_is_forgotten_and_no_store_is_made_for_a_tool(
    launch: StartServer, tmp_path: Path
) -> None:
    """The kernel says that its process is gone: then there is neither a service nor data in the default directory."""
    server = await launch({})
    server.send(signal.SIGKILL)
    await server.ended()
    result = await _models_list(tmp_path)
    assert result.code == 1
    assert result.err == (
        f"error: {tmp_path / 'share/affinity-matcher'} has no data, and no service of this user runs here: start one "
        "with `matcher serve`, or set MATCHER_DATA_DIR or MATCHER_STORE_URL\n"
    )
    assert not (tmp_path / "share").exists()
    assert list((tmp_path / "state/affinity-matcher/services").iterdir()) == []


async def _models_list(home: Path) -> Result:
    return await matcher("models", "list", environment=shell(home))


async def test_an_unreachable_address_is_answered_with_the_one_that_a_service_has(
    launch: StartServer, tmp_path: Path
) -> None:
    """A service on another port than the default one is found by its user."""
    server = await launch({})
    result = await matcher("sites", "list", "--server", "127.0.0.1:1", environment=shell(tmp_path))
    assert result.err == (
        f"error: no service answers at 127.0.0.1:1: on this machine one listens at {server.target} (--server)\n"
    )


def test_an_announcement_holds_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an external store it has the URL without user, password and options, and says that these are missing."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = load(
        {}, store_url="redis+sentinel://me:hidden@one,two/main/2?sentinel_password=hidden", data_dir=tmp_path
    )
    with announced(settings):
        (file,) = announcement.services_folder().glob("*.json")
        assert "hidden" not in file.read_text("utf-8")
        (service,) = running_services()
        assert (service.store_url, service.store_url_is_whole) == ("redis+sentinel://one,two/main/2", False)
        assert file.stat().st_mode & 0o077 == 0
    assert running_services() == []
    with announced(load({}, store_url="redis://store:6379", data_dir=tmp_path)):
        assert [service.store_url_is_whole for service in running_services()] == [True]
