"""The garbage collector does not visit long-lived objects while calls wait."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from matcher.server.gc_freezer import THAW_SECONDS, GcFreezer, sparing


class Ring:
    """An object that refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Run a freezer for a thousand objects during a test; return its clock."""
    clock = Clock()
    gc.collect()
    gc.freeze()  # so that only objects of the test are counted
    try:
        with sparing(GcFreezer(clock, lasting=1_000)):
            yield clock
    finally:
        gc.unfreeze()


def visited(kind: type) -> int:
    """Count the objects of a kind that the next full collection visits."""
    return sum(type(one) is kind for one in gc.get_objects())


@pytest.mark.usefixtures("clock")
def test_long_lived_objects_are_visited_once() -> None:
    """Two thousand objects that outlive a full collection are not visited by the next one; twenty objects are."""
    lasting = [Ring() for _ in range(2_000)]
    assert visited(Ring) == 2_000
    gc.collect()
    assert visited(Ring) == 0
    few = [Ring() for _ in range(20)]
    gc.collect()
    assert visited(Ring) == 20
    del lasting, few


@pytest.mark.usefixtures("clock")
def test_a_frozen_object_is_freed_with_its_last_reference() -> None:
    """An object without a reference cycle is freed at once, frozen or not: so are agents and their interests."""
    lasting = [frozenset({number}) for number in range(2_000)]
    gc.collect()
    assert visited(frozenset) == 0
    gone = weakref.ref(lasting[7])
    del lasting[7]
    assert gone() is None


def test_frozen_reference_cycles_are_freed_within_the_hour(clock: Clock) -> None:
    """An unused cycle stays while it is frozen; a full collection an hour later frees it."""
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
    """A program that runs the service inside its process has the collector as before afterwards."""
    callbacks = list(gc.callbacks)
    with sparing(GcFreezer(lasting=0)):
        gc.collect()
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
    assert gc.callbacks == callbacks
