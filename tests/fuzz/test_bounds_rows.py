"""Every method has its worst request among the bounds, and the request is one that the service accepts."""

from __future__ import annotations

import pytest

from benchmarks.bounds.rows import ROWS, accepted, refused, row_of
from matcher.rpc.body_limits import limit_of
from tests.auth.asked import METHODS, Place
from tests.rpc.test_bounded_reads import CHECKS


def test_every_method_has_a_row_among_the_bounds() -> None:
    """A method that is added to the API is measured by `make bounds`, too."""
    assert ROWS.keys() == {row_of(method) for method in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_the_worst_request_of_a_method_passes_its_checks(method: str) -> None:
    """It is within the method's limit, and so is what is refused."""
    for request in accepted(method, Place("default", "default", agents="a1", contacts="c"), 8):
        CHECKS[type(request)](request)
        assert request.ByteSize() <= limit_of(method)
    assert all(len(body) <= limit_of(method) for _, body in refused(method, 8))
