"""The plan of a load test: its rate, its duration, its agents and its target, with all bounds."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

LONGEST_SECONDS: Final = 600.0
HIGHEST_RATE: Final = 20_000.0
MOST_IN_FLIGHT: Final = 20_000
"""The most calls that wait for an answer, over all processes; requests due beyond it are counted but not sent."""
MOST_AGENTS: Final = 200_000
MOST_PROCESSES: Final = 32
MOST_CHANNELS: Final = 256
LONGEST_HOLD_SECONDS: Final = 60.0


class PlanWrong(Exception):
    """An option of a load test is wrong; the message names the option and its allowed values."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """The requests a second, which change linearly from `first` to `last`; a steady rate where they are equal."""

    first: float
    last: float
    seconds: float

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= LONGEST_SECONDS:
            raise PlanWrong(f"--seconds must be above 0 and at most {LONGEST_SECONDS:g}")
        if not (0 <= self.first <= HIGHEST_RATE and 0 <= self.last <= HIGHEST_RATE and self.first + self.last > 0):
            raise PlanWrong(f"a rate must be above 0 and at most {HIGHEST_RATE:g} a second")

    @property
    def expected(self) -> float:
        """The expected number of requests."""
        return (self.first + self.last) / 2 * self.seconds

    def at(self, second: float) -> float:
        """Return the rate at a moment."""
        return self.first + (self.last - self.first) * second / self.seconds

    def share(self, parts: int) -> Ramp:
        """Return the ramp of one of `parts` equal generators; independent Poisson processes add up to the whole."""
        return Ramp(self.first / parts, self.last / parts, self.seconds)

    @classmethod
    def read(cls, text: str, seconds: float) -> Ramp:
        """Return the ramp of "FROM:TO"; raise PlanWrong for another text."""
        first, colon, last = text.partition(":")
        try:
            if not colon:
                raise ValueError
            return cls(float(first), float(last), seconds)
        except ValueError:
            raise PlanWrong("--ramp must be FROM:TO, two rates a second, for example 50:400") from None


@dataclass(frozen=True, slots=True)
class Roster:
    """The agents of the load test's site: their number, the share that is online, and the interests of each."""

    agents: int = 1_000
    free: float = 0.2
    interests: int = 5

    @property
    def free_agents(self) -> int:
        """The number of agents online, at least one."""
        return max(1, round(self.agents * self.free))


@dataclass(frozen=True, slots=True)
class Plan:
    """The load on the service, and the processes and connections that send it."""

    ramp: Ramp
    roster: Roster
    seed: int = 1
    channels: int = 4
    """Connections over all processes, at least one for each."""
    processes: int = 2
    hold_seconds: float = 0.0
    """Seconds from a decision to the completion of its reservation."""
    deadline_seconds: float = 10.0

    @property
    def channels_each(self) -> int:
        """Connections of one process."""
        return max(1, -(-self.channels // self.processes))


@dataclass(frozen=True, slots=True)
class Target:
    """The service's address, with TLS by the system's certificate authorities or by those of a file.

    tls_cert, tls_key: the files of the certificate that is presented, and of its private key.
    """

    address: str
    tls: bool = False
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether the address is certainly this machine's."""
        host = self.address.rpartition(":")[0].strip("[]")
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False
