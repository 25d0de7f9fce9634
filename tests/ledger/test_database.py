"""The ledger's database: its schema, who may raise it, and URLs that name no database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from matcher.errors import LedgerAway, LedgerNewer, SettingsWrong
from matcher.ledger.database import REVISIONS, LedgerDatabase
from matcher.ledger.reader import LedgerReader
from matcher.ledger.tables import METADATA


def test_the_migrations_make_the_tables_that_the_code_knows(database: LedgerDatabase) -> None:
    """A column that only one of the two has would be found by nobody else."""
    with database._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    assert database.revision() == REVISIONS[-1]


def test_processes_that_start_together_migrate_once(url: str) -> None:
    """All of them find the newest schema then; none fails."""
    databases = [LedgerDatabase.at(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(one.prepare) for one in databases]:
            done.result()
    for one in databases:
        assert one.revision() == REVISIONS[-1]
        one.close()


def test_tables_of_a_later_version_are_left_alone(database: LedgerDatabase) -> None:
    """This process neither writes nor reads them, and says which schema they have."""
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refused in (database.prepare, database.check):
        with pytest.raises(LedgerNewer, match="schema 9999"):
            refused()


def test_a_database_without_tables_is_read_by_nobody(url: str) -> None:
    """A command that reads makes no tables."""
    empty = LedgerDatabase.at(url)
    with pytest.raises(LedgerAway, match="no tables"):
        empty.check()
    empty.close()


def test_a_server_that_is_away_is_told_without_its_password(url: str, tmp_path: Path) -> None:
    """The error names the class of the fault alone."""
    if url.startswith("sqlite"):
        (tmp_path / "folder").mkdir()
        away = LedgerDatabase.at(f"sqlite:///{tmp_path / 'folder'}")
    else:
        away = LedgerDatabase.at("postgresql://someone:secret@127.0.0.1:1/none")
        assert "secret" not in away.name
    with pytest.raises(LedgerAway) as raised:
        list(LedgerReader(away).lives("uid"))
    assert str(raised.value) == "the ledger does not answer: OperationalError"
    away.close()


@pytest.mark.parametrize("wrong", ["mysql://host/name", "nonsense", "sqlite://", "postgresql://h:port/name"])
def test_a_url_that_names_no_database_ends_the_start_with_one_line(wrong: str) -> None:
    """It is not repeated: it may hold a password."""
    with pytest.raises(SettingsWrong, match=r"ledger_url") as raised:
        LedgerDatabase.at(wrong)
    assert "//h:port" not in str(raised.value)


def test_a_file_of_sqlite_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    """It says who talked with whom."""
    file = tmp_path / "ledger.sqlite"
    LedgerDatabase.at(f"sqlite:///{file}").prepare()
    assert file.stat().st_mode & 0o077 == 0
