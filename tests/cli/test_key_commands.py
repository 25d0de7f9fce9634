"""The commands of `matcher keys`: what they show, and what they refuse."""

from __future__ import annotations

from pathlib import Path

from matcher.store.keyring.keyring_file import KeyringFile
from tests.cli.command import matcher
from tests.conftest import StartServer


async def test_the_keys_are_listed_by_fingerprint_and_none_is_shown(launch: StartServer, tmp_path: Path) -> None:
    """Each with what it is used for; a key that was added is not in use."""
    await launch({})
    settings = {"MATCHER_DATA_DIR": str(tmp_path / "data")}
    added = (await matcher("keys", "add", "request", "--json", environment=settings)).documents()[0]
    listed = await matcher("keys", "list", "--json", environment=settings)
    keyring = KeyringFile(tmp_path / "data.keys").read()
    states = {(row["purpose"], row["id"]): row["state"] for row in listed.documents()}
    assert set(states) == {(key.purpose, key.id) for key in keyring.keys}
    assert states["request", added["id"]] == "not in use"
    assert sorted(set(states.values())) == [
        "makes the new digests",
        "not in use",
        "seals texts whose wait ends on that day",
    ]
    table = await matcher("keys", "list", environment=settings)
    assert added["fingerprint"] in table.out
    stored = (tmp_path / "data.keys").read_text("utf-8")
    for key in keyring.keys:
        assert key.material.hex() not in table.out + listed.out
    assert [line for line in stored.splitlines() if '"key"' in line and line.strip() in table.out + listed.out] == []


async def test_what_would_lose_keys_or_has_no_keyring_is_refused_with_one_line(
    launch: StartServer, tmp_path: Path
) -> None:
    """A key that is not there, one that is in use, a beginning without `--yes`, a store without a keyring."""
    await launch({})
    settings = {"MATCHER_DATA_DIR": str(tmp_path / "data")}
    (handle,) = [key.id for key in KeyringFile(tmp_path / "data.keys").read().keys if key.purpose == "handle"]
    for words, why in (
        (("use", "nobody"), "error: nobody is not in the keyring: `matcher keys list` shows them\n"),
        (("use", handle), f"error: the handle key {handle} makes the new digests already\n"),
        (("use", "days"), "error: texts are sealed under keys of the day already\n"),
        (("remove", handle), f"error: the handle key {handle} makes the new digests: put another one into use first\n"),
        (("start-over",), "error: what the lost keys sealed and recognised is lost: say --yes\n"),
    ):
        refused = await matcher("keys", *words, environment=settings)
        assert (refused.code, refused.err) == (1, why)
    away = {"MATCHER_STORE_URL": "redis://127.0.0.1:1"}
    refused = await matcher("keys", "add", "handle", environment=away)
    assert (refused.code, refused.err) == (1, "error: no keyring is given: set MATCHER_SEAL_KEYS_FILE\n")
    inside = {"MATCHER_DATA_DIR": str(tmp_path), "MATCHER_SEAL_KEYS_FILE": str(tmp_path / "keys")}
    refused = await matcher("keys", "add", "handle", environment=inside)
    assert (refused.code, "seal_keys_file must not lie in data_dir" in refused.err) == (1, True)
