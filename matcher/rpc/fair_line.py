"""Line of calls that is fair by work: first among sites, then among the callers of a site.

Deficit round robin (M. Shreedhar and G. Varghese, "Efficient Fair Queueing Using Deficit Round-Robin", SIGCOMM 1995):
sites take turns, and each turn allows a site a fixed amount of work. A site that sends many calls, or large ones, waits
in its own turns and never in those of another site.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, Generic, Protocol, TypeVar

from matcher.rpc.call_cost import CallCost

TURN_WORK: Final = 8
"""The work that one turn allows. Less costs more turns until a long message goes; more lets one site go on for longer:
8 ordinary messages take some 10 ms."""
BATCH_TURN_WORK: Final = 4_096
"""The same where large batches wait: a batch of the longest texts has a work of 16,000."""


class Costly(Protocol):
    """What waits in the line."""

    @property
    def cost(self) -> CallCost:
        """What the call costs, and whose it is."""


C = TypeVar("C", bound=Costly)


class _Calls(Generic[C]):
    """The calls of one caller, in the order of their arrival."""

    def __init__(self) -> None:
        self.credit = 0
        self.work = 0
        self._calls: OrderedDict[C, None] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, call: C) -> None:
        self.work += call.cost.work
        self._calls[call] = None

    def remove(self, call: C, *, served: bool) -> None:  # noqa: ARG002 - as _Turns.remove
        self.work -= call.cost.work
        del self._calls[call]

    def next(self, *, newest: bool) -> C:
        return next(reversed(self._calls) if newest else iter(self._calls))

    def oldest_of_heaviest(self) -> C:
        return next(iter(self._calls))


class _Turns(Generic[C]):
    """Sites that take turns, or the callers of one site."""

    def __init__(
        self, turn_work: int, key: Callable[[CallCost], str], inner: Callable[[], _Turns[C] | _Calls[C]]
    ) -> None:
        self._turn_work = turn_work
        self.credit = 0
        self.work = 0
        self._key = key
        self._inner = inner
        self._flows: OrderedDict[str, _Turns[C] | _Calls[C]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._flows)

    def add(self, call: C) -> None:
        self.work += call.cost.work
        key = self._key(call.cost)
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = self._inner()
        flow.add(call)

    def remove(self, call: C, *, served: bool) -> None:
        """Remove a call, which is paid for if it is served; a site without calls loses its credit."""
        self.work -= call.cost.work
        key = self._key(call.cost)
        flow = self._flows[key]
        flow.credit -= call.cost.work if served else 0
        flow.remove(call, served=served)
        if not flow:
            del self._flows[key]

    def next(self, *, newest: bool) -> C:
        """Return the call whose turn it is; turns pass on until a site has the credit for its call."""
        while True:
            key, flow = next(iter(self._flows.items()))
            call = flow.next(newest=newest)
            if flow.credit >= call.cost.work:
                return call
            flow.credit += self._turn_work
            self._flows.move_to_end(key)

    def oldest_of_heaviest(self) -> C:
        return max(self._flows.values(), key=lambda flow: flow.work).oldest_of_heaviest()


class FairLine(Generic[C]):
    """The calls that wait, of all sites and callers."""

    def __init__(self, turn_work: int = TURN_WORK) -> None:
        """turn_work: the work that a site, and a caller of a site, may have done in one turn."""

        def callers() -> _Turns[C]:
            return _Turns(turn_work, lambda cost: cost.caller, _Calls)

        self._turns: _Turns[C] = _Turns(turn_work, lambda cost: cost.site, callers)
        self._calls: dict[C, None] = {}
        self.size = 0
        """Bytes of the bodies that wait."""

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[C]:
        return iter(self._calls)

    def add(self, call: C) -> None:
        """Put a call into the line."""
        self._calls[call] = None
        self.size += call.cost.size
        self._turns.add(call)

    def remove(self, call: C, *, served: bool = False) -> None:
        """Take a call out of the line, if it is there; served: it goes on to be worked on, and its site pays for it."""
        if call in self._calls:
            del self._calls[call]
            self.size -= call.cost.size
            self._turns.remove(call, served=served)

    def next(self, *, newest: bool) -> C:
        """Return the call whose turn it is, without taking it; newest: of a caller the call that came last."""
        return self._turns.next(newest=newest)

    def oldest_of_heaviest(self) -> C:
        """Return the oldest call of the caller with the most work in the line, of the site with the most."""
        return self._turns.oldest_of_heaviest()
