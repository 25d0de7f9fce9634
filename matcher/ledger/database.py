"""The database of the ledger: how it is reached, and its schema, which Alembic raises under a lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self

from filelock import FileLock
from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, inspect, make_url, text

from matcher.errors import LedgerAway, LedgerNewer, LedgerRefuses, SettingsWrong

REVISIONS: Final = ("0001", "0002", "0003")
"""Every schema that this version knows, the newest last; the migrations have the same."""
BUSY_SECONDS: Final = 20.0
"""How long SQLite waits for another process that writes: a slice of pruning takes milliseconds."""
ANSWER_SECONDS: Final = 10
"""How long PostgreSQL is waited for until it counts as away; also the longest statement of the feeder."""
MIGRATING: Final = 0x6D61_7463
"""The number of the advisory lock under which one process migrates PostgreSQL: 'matc'."""
_READS: Final = "ledger_reads"
"""The execution option of a transaction that writes nothing."""
_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite"}


class LedgerDatabase:
    """One database, reached by one thread at a time. Every method raises LedgerAway where it does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._has_removed_rows = False

    @classmethod
    def at(cls, url: str) -> Self:
        """Return the database of a URL: postgresql://user:password@host/name, or sqlite:///file. Connects to nothing.

        Raises SettingsWrong, without the URL, which may hold a password.
        """
        parsed = parse_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            Path(parsed.database).touch(mode=0o600)
        engine = create_engine(parsed, pool_size=1, max_overflow=2, pool_pre_ping=True, connect_args=_options(parsed))
        if parsed.get_backend_name() == "sqlite":
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return cls(engine)

    @property
    def name(self) -> str:
        """Return where the database is, without a password."""
        return self._engine.url.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of SQLite."""
        return self._engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run statements that are committed together, or not at all."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except (exc.DataError, exc.IntegrityError) as fault:
            raise LedgerRefuses(type(fault.orig).__name__) from fault
        except (exc.DBAPIError, exc.TimeoutError) as fault:
            raise LedgerAway(_why(fault)) from fault

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Run statements that read one state of the database and write nothing."""
        try:
            with self._engine.connect().execution_options(**{_READS: True}) as connection:
                if not self.is_sqlite:
                    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
                yield connection
        except (exc.DBAPIError, exc.TimeoutError) as fault:
            raise LedgerAway(_why(fault)) from fault

    def revision(self) -> str:
        """Return the schema that the database has; "": none yet."""
        with self.reading() as connection:
            return _revision(connection)

    def prepare(self) -> None:
        """Give the database the newest schema, under a lock. Raises LedgerNewer where it has one that is newer."""
        found = self.revision()
        if found == REVISIONS[-1]:
            return
        if found and found not in REVISIONS:
            raise LedgerNewer(found, REVISIONS[-1])
        with self._alone():
            try:
                with self._engine.connect() as connection:
                    if not self.is_sqlite:
                        connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": MIGRATING})
                    found = _revision(connection)
                    if found and found not in REVISIONS:
                        raise LedgerNewer(found, REVISIONS[-1])
                    _upgrade(connection)
                    connection.commit()
                    if not self.is_sqlite:
                        connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": MIGRATING})
            except (exc.DBAPIError, exc.TimeoutError) as fault:
                raise LedgerAway(_why(fault)) from fault

    def note_removal(self) -> None:
        """Note that rows of persons were removed, whose bytes SQLite's write-ahead log still has."""
        self._has_removed_rows = self.is_sqlite

    @property
    def has_log_to_empty(self) -> bool:
        """Whether the write-ahead log still has bytes of removed rows: something was read when it was to go."""
        return self._has_removed_rows

    def empty_log(self) -> None:
        """Empty SQLite's write-ahead log after a removal; while something is read it stays until the next call."""
        if not self._has_removed_rows:
            return
        connection = self._engine.raw_connection()
        try:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._has_removed_rows = bool(busy)
        finally:
            connection.close()

    def check(self) -> None:
        """Check that the database has a schema that this version reads. Raises LedgerNewer, LedgerAway."""
        found = self.revision()
        if not found:
            raise LedgerAway("it has no tables yet")
        if found not in REVISIONS:
            raise LedgerNewer(found, REVISIONS[-1])

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of the file of SQLite; for PostgreSQL the connection holds one."""
        if not self.is_sqlite:
            yield
            return
        file = Path(self._engine.url.database or "")
        with FileLock(file.with_name(file.name + ".lock"), timeout=BUSY_SECONDS, mode=0o600):
            yield


def parse_url(url: str) -> URL:
    """Return the URL of a ledger as SQLAlchemy takes it. Raises SettingsWrong."""
    try:
        parsed = make_url(url)
        driver = _DRIVERS[parsed.drivername.partition("+")[0]]
        parsed = parsed.set(drivername=driver)
        if driver == "sqlite" and not parsed.database:
            raise SettingsWrong("ledger_url: sqlite:/// needs the path of a file, such as sqlite:////srv/ledger.sqlite")
        if driver != "sqlite":
            parsed.get_dialect().import_dbapi()
    except (exc.ArgumentError, KeyError, exc.NoSuchModuleError, ValueError):
        raise SettingsWrong("ledger_url must be postgresql://user:password@host/name or sqlite:////path") from None
    except ImportError:
        raise SettingsWrong("ledger_url: PostgreSQL needs pip install 'affinity-matcher[postgres]'") from None
    return parsed


def _why(fault: exc.DBAPIError | exc.TimeoutError) -> str:
    """Return the class of a fault, which quotes no row and no password."""
    return type(fault.orig if isinstance(fault, exc.DBAPIError) else fault).__name__


def _options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"timeout": BUSY_SECONDS, "check_same_thread": False}
    limits = f"-c statement_timeout={ANSWER_SECONDS * 1000} -c lock_timeout={ANSWER_SECONDS * 1000}"
    return {"connect_timeout": ANSWER_SECONDS, "options": limits, "application_name": "matcher-ledger"}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Set a new connection to SQLite up: transactions begin where SQLAlchemy says so, and readers block no writer."""
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "secure_delete=ON",
        f"busy_timeout={int(BUSY_SECONDS * 1000)}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction; one that reads first and writes later could not wait for another writer then."""
    reads = connection.get_execution_options().get(_READS)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def _upgrade(connection: Connection) -> None:
    """Run the migrations that the database lacks."""
    # An import of 0.3 s, which only a start on an older schema needs.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.files("matcher.ledger") / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, REVISIONS[-1])
