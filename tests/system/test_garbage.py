"""The garbage collector: what lives as long as the service is not walked through while calls wait."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from matcher.server.gc_freezer import THAW_SECONDS, GcFreezer, sparing


class Ring:
    """Refers to itself, so that only the collector ends it."""

    def __init__(self) -> None:
        self.itself = self


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Let a freezer of a thousand objects work for a test, by a clock that is set."""
    clock = Clock()
    gc.collect()
    gc.freeze()  # so that only what a test makes is counted
    try:
        with sparing(GcFreezer(clock, lasting=1_000)):
            yield clock
    finally:
        gc.unfreeze()


def visited(kind: type) -> int:
    """Count the objects of a kind that the next full collection visits."""
    return sum(type(one) is kind for one in gc.get_objects())


@pytest.mark.usefixtures("clock")
def test_what_lasts_is_visited_once() -> None:
    """Two thousand objects that outlive a full collection are not visited by the next; a few are."""
    lasting = [Ring() for _ in range(2_000)]
    assert visited(Ring) == 2_000
    gc.collect()
    assert visited(Ring) == 0
    few = [Ring() for _ in range(20)]
    gc.collect()
    assert visited(Ring) == 20
    del lasting, few


@pytest.mark.usefixtures("clock")
def test_what_was_frozen_ends_with_its_last_reference() -> None:
    """An object without a ring is gone at once, frozen or not: how agents and their interests end."""
    lasting = [frozenset({number}) for number in range(2_000)]
    gc.collect()
    assert visited(frozenset) == 0
    gone = weakref.ref(lasting[7])
    del lasting[7]
    assert gone() is None


def test_rings_among_what_was_frozen_end_within_the_hour(clock: Clock) -> None:
    """A ring that was let go stays while it is frozen; a full collection an hour later ends it."""
    lasting = [Ring() for _ in range(2_000)]
    gc.collect()
    gone = weakref.ref(lasting.pop())
    gc.collect()
    assert gone() is not None
    clock.now = THAW_SECONDS
    gc.collect()
    assert gone() is None
    assert visited(Ring) == 0  # the others were frozen again


def test_a_service_that_ends_leaves_nothing_frozen() -> None:
    """Who runs a service inside their own process has their collector back afterwards."""
    callbacks = list(gc.callbacks)
    with sparing(GcFreezer(lasting=0)):
        gc.collect()
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
    assert gc.callbacks == callbacks
