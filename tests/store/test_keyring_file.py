"""The keyring file: private, whole at every moment, and without a trace of the keys that were removed."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from matcher.store.keyring.faults import KeyringWrong
from matcher.store.keyring.keyring_file import KeyringFile
from matcher.store.keyring.secret_keys import (
    DAY_MS,
    DAYS_AHEAD,
    GRACE_MS,
    KEY_BYTES,
    Keyring,
    Purpose,
    SecretKey,
    day_of,
    new_key,
    roll_days,
)

NOON = 1_796_040_000_000
"""Noon of 2026-11-30, UTC."""


@pytest.fixture
def file(tmp_path: Path) -> KeyringFile:
    """Give a keyring file with ten days and a key for each kind of digest."""
    file = KeyringFile(tmp_path / "data.keys")
    file.change(lambda _: roll_days(Keyring((new_key(Purpose.REQUEST, NOON), new_key(Purpose.HANDLE, NOON))), NOON))
    return file


def beside(file: KeyringFile) -> list[str]:
    """Return what else lies in the folder than the keyring and its lock."""
    return [path.name for path in file.path.parent.iterdir() if path.name not in {"data.keys", ".data.keys.lock"}]


def test_what_is_written_is_read_and_only_its_user_may_read_it(file: KeyringFile) -> None:
    """The mode is 0600, that of its lock too, and nothing else is left in the folder."""
    keyring = file.read()
    assert [key.id for key in keyring.of(Purpose.SEAL)][:2] == ["2026-11-30", "2026-12-01"]
    assert len(keyring.keys) == 2 + DAYS_AHEAD + 1
    assert KeyringFile(file.path).read() == keyring
    assert {stat.S_IMODE(path.stat().st_mode) for path in file.path.parent.iterdir()} == {0o600}
    assert beside(file) == []


def test_no_key_shows_itself() -> None:
    """A key in a log line or a traceback is its purpose and id."""
    key = SecretKey(Purpose.SEAL, "2026-11-30", b"k" * KEY_BYTES)
    assert "kkkk" not in f"{key} {key!r} {Keyring((key,))!r}"
    assert key.fingerprint != SecretKey(Purpose.HANDLE, "2026-11-30", b"k" * KEY_BYTES).fingerprint


def test_a_key_of_the_day_goes_an_hour_after_its_day(file: KeyringFile) -> None:
    """At 00:59 of the next day it is there, at 01:01 it is not, and the days ahead are there."""
    midnight = NOON + DAY_MS // 2
    before = roll_days(file.read(), midnight + GRACE_MS - 60_000)
    after = roll_days(file.read(), midnight + GRACE_MS + 60_000)
    assert before.find(Purpose.SEAL, "2026-11-30") is not None
    assert after.find(Purpose.SEAL, "2026-11-30") is None
    assert [key.id for key in after.of(Purpose.SEAL)] == [
        day_of(midnight + day * DAY_MS) for day in range(DAYS_AHEAD + 1)
    ]


def test_the_bytes_of_a_removed_key_are_overwritten(file: KeyringFile) -> None:
    """Read by a descriptor from before the change: the file's former bytes are gone, not only its name."""
    held = os.open(file.path, os.O_RDONLY)
    try:
        before = os.read(held, 100_000)
        file.change(lambda keyring: roll_days(keyring, NOON + 2 * DAY_MS))
        os.lseek(held, 0, os.SEEK_SET)
        after = os.read(held, 100_000)
    finally:
        os.close(held)
    assert b'"2026-11-30"' in before
    assert len(after) == len(before)
    assert b"2026" not in after
    assert b'"2026-11-30"' not in file.path.read_bytes()


def test_a_change_that_died_before_the_overwriting_is_finished_by_the_next(file: KeyringFile) -> None:
    """The former bytes have a second name until they are overwritten; a second name of the present file is harmless."""
    former = file.path.with_name(".data.keys.former")
    os.link(file.path, former)
    held = os.open(former, os.O_RDONLY)
    keyring = file.change(lambda current: current)
    assert file.read() == keyring, "the present file under its second name was not overwritten"
    assert not former.exists()
    former.write_bytes(os.pread(held, 100_000, 0))
    other = os.open(former, os.O_RDONLY)
    file.change(lambda current: current)
    assert b"2026" not in os.pread(other, 100_000, 0)
    assert not former.exists()
    os.close(held)
    os.close(other)


def test_a_new_file_that_never_took_its_place_is_overwritten(file: KeyringFile) -> None:
    """A process died while it wrote: the next change starts afresh, and the keys in what was left are gone."""
    left, before = file.path.with_name(".data.keys.new"), file.read()
    left.write_bytes(file.path.read_bytes()[:500])
    held = os.open(left, os.O_RDONLY)
    assert file.change(lambda current: current) == before
    assert b"2026" not in os.pread(held, 100_000, 0)
    os.close(held)
    assert beside(file) == []


def test_a_link_to_a_keyring_stays_a_link(file: KeyringFile) -> None:
    """A change through the link changes the file itself, under the file's own lock."""
    link = file.path.parent / "other" / "link.keys"
    link.parent.mkdir()
    link.symlink_to(file.path)
    changed = KeyringFile(link).change(lambda keyring: roll_days(keyring, NOON + 2 * DAY_MS))
    assert link.is_symlink()
    assert file.read() == changed
    assert [path.name for path in link.parent.iterdir()] == ["link.keys"]


def test_a_change_that_fails_leaves_the_file_as_it_was(file: KeyringFile) -> None:
    """The edit raises: nothing is half-written, and nothing is left beside the file."""
    before = file.path.read_bytes()

    def edit(_: Keyring) -> Keyring:
        raise KeyringWrong("here", "no")

    with pytest.raises(KeyringWrong):
        file.change(edit)
    assert file.path.read_bytes() == before
    assert beside(file) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is no keyring of format 1"),
        (b"\xff\xfe", "it is no keyring of format 1"),
        (b'{"format": 2, "keys": []}', "it is no keyring of format 1"),
        (
            b'{"format": 1, "keys": [{"purpose": "seal", "id": "a", "key": "no base64!"}]}',
            "it is no keyring of format 1",
        ),
        (b'{"format": 1, "keys": [{"purpose": "love", "id": "a", "key": ""}]}', "it is no keyring of format 1"),
        (
            b'{"format": 1, "keys": [{"purpose": "handle", "id": "a", "key": "AAAA"}]}',
            "handle key a has less than 32 bytes",
        ),
        (
            b'{"format": 1, "keys": [{"purpose": "handle", "id": "a b", "key": ""}]}',
            "the id of a handle key is malformed",
        ),
        (b"x" * ((1 << 20) + 1), "it is larger than 1048576 bytes"),
    ],
)
def test_what_is_no_keyring_is_refused_by_name(tmp_path: Path, content: bytes, why: str) -> None:
    """The error names the file and the reason, and quotes nothing of it."""
    path = tmp_path / "data.keys"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyringWrong) as refused:
        KeyringFile(path).read()
    assert str(refused.value) == f"the keyring {path} cannot be used: {why}"


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602, 0o670])
def test_a_keyring_that_others_may_use_is_refused(file: KeyringFile, mode: int) -> None:
    """The error names the file and its mode."""
    file.path.chmod(mode)
    with pytest.raises(KeyringWrong) as refused:
        file.read()
    assert f"the keyring {file.path} cannot be used: its mode is {mode:04o}" in str(refused.value)


def test_no_file_is_a_keyring_without_keys_and_a_folder_is_none(tmp_path: Path) -> None:
    """What is missing can be made; what is something else cannot."""
    assert KeyringFile(tmp_path / "none").read() == Keyring()
    with pytest.raises(KeyringWrong):
        KeyringFile(tmp_path).read()


def test_a_keyring_without_the_permission_to_write_is_kept_by_the_operator(file: KeyringFile) -> None:
    """The service asks, and does not change it; a command of the operator changes it and keeps its mode."""
    file.path.chmod(0o400)
    assert file.kept_by_operator
    file.change(lambda keyring: roll_days(keyring, NOON + 2 * DAY_MS))
    assert file.kept_by_operator
    assert file.read().find(Purpose.SEAL, "2026-11-30") is None


def _add_keys(path: Path, count: int) -> None:
    for _ in range(count):
        KeyringFile(path).change(lambda keyring: keyring.with_keys(new_key(Purpose.REQUEST, NOON)))


def test_processes_that_change_it_at_once_lose_no_key(file: KeyringFile) -> None:
    """Four processes add ten keys each while this one reads: forty more, and every read is a whole keyring."""
    workers = [multiprocessing.get_context("spawn").Process(target=_add_keys, args=(file.path, 10)) for _ in range(4)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        assert len(file.read().of(Purpose.SEAL)) == DAYS_AHEAD + 1
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(file.read().of(Purpose.REQUEST)) == 41
