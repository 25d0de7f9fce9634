"""The scenes of the planted bugs: short attacks, each of which makes one part of the service work hard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.chaos.habits import Habits
from benchmarks.chaos.nemesis import Planned
from benchmarks.chaos.play import Attack

SECONDS: Final = 10.0
DRAIN: Final = 20.0


def _scene(*faults: Planned, seconds: float = SECONDS, replicas: int = 1, **habits: Any) -> Attack:
    usual: dict[str, Any] = {"agents": 4, "rate": 10.0, "beating": 0, "assignments": 0.3, "errands": 0.0}
    return Attack(
        seed=11,
        seconds=seconds,
        replicas=replicas,
        planned=faults,
        habits=Habits(**{**usual, **habits}),
        drain_seconds=DRAIN,
    )


SCENES: Final[Mapping[str, Attack]] = {
    "plain": _scene(hangups=0.1),
    "repeats": _scene(twice=0.4, again=0.5, anonymous=0.6, replicas=1),
    "transfers": _scene(transfers=0.5, agents=3, rate=8.0),
    "stale": _scene(
        Planned(1.0, "store slow", 0, 8.0), replicas=2, agents=3, rate=24.0, waiting=0.2, auto_accept=0.6, calls=0.0
    ),
    "crowd": _scene(agents=2, rate=10.0, wait_weight=1.0, waiting=0.6, short_waits=0.0, calls=0.0, declines=0.0,
                    ignores=0.0, transfers=0.0, wait=30.0, assignments=0.01, status_changes=0.01, talk=(0.8, 2.0)),
    "newcomers": _scene(agents=2, rate=16.0, wait_weight=1.0, waiting=0.4, short_waits=0.0, calls=0.0, declines=0.0,
                        ignores=0.0, transfers=0.0, wait=30.0, assignments=0.01, status_changes=0.01, talk=(0.8, 2.0)),
    "slow desks": _scene(answer=(0.4, 2.6), ignores=0.2, rate=6.0, waiting=0.9, auto_accept=0.0),
    "refusals": _scene(declines=0.3, ignores=0.3, waiting=0.9, auto_accept=0.0, assignments=0.01, rate=6.0),
    "departures": _scene(status_changes=3.0, rate=14.0, waiting=0.9, auto_accept=0.0, assignments=0.01),
    "silences": _scene(seconds=18.0, beating=1, silences=0.5, rate=3.0, status_changes=0.01),
    "short waits": _scene(agents=2, rate=12.0, short_waits=0.7, waiting=0.9, auto_accept=0.0, assignments=0.01),
    "sparse": _scene(agents=1, rate=2.5, waiting=1.0, auto_accept=0.0, talk=(0.5, 1.5), assignments=0.01,
                     status_changes=0.01, ignores=0.0, short_waits=0.0, sites=("north",)),
    "sparse pair": _scene(agents=2, rate=3.0, replicas=2, waiting=1.0, auto_accept=0.0, talk=(0.5, 1.5),
                          assignments=0.01, status_changes=0.01, ignores=0.0, short_waits=0.0, sites=("north",)),
    "relaxing": _scene(rate=1.0, waiting=1.0, auto_accept=0.0, rare=1.0, short_waits=0.0, assignments=0.01,
                       status_changes=0.01),
    "leader killed": _scene(
        Planned(4.0, "replica killed", 0, 0.5), Planned(6.0, "replica killed", 1, 0.5), replicas=2, agents=2,
        seconds=22.0,
        rate=4.0, waiting=1.0, auto_accept=0.0, short_waits=0.0, assignments=0.01, status_changes=0.01,
    ),
    "writing forbidden": _scene(Planned(2.0, "writing forbidden", 0, 2.0), rate=6.0),
    "no replicas": _scene(Planned(2.0, "store lacks replicas", 0, 14.0), seconds=18.0, rate=3.0),
    "errands": _scene(seconds=14.0, rate=4.0, errands=6.0, hostile=0.1, replicas=2),
    "set back": _scene(Planned(5.0, "store set back", 0, 0.5), seconds=18.0, rate=14.0, talk=(1.0, 4.0)),
    "store paused": _scene(Planned(2.0, "store paused", 0, 2.5), seconds=16.0, rate=3.0),
}  # fmt: skip
"""Each scene breaks no law of a service without a bug: `python -m benchmarks.chaos.bugs --sound` plays them so."""
