"""How the gateway's process listens."""

from __future__ import annotations

import socket

import pytest

from matcher.web.serve import is_loopback, listen


def test_an_answer_does_not_wait_for_more() -> None:
    """Its connection has the protocol by which asyncio sets TCP_NODELAY; else an answer takes 40 ms more."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("web", False)],
)
def test_only_loopback_is_kept_to_the_names_of_this_machine(host: str, loopback: bool) -> None:
    """Elsewhere the proxy in front knows the names."""
    assert is_loopback(host) is loopback
