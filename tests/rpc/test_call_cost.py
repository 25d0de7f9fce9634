"""The cost of a call, read from its body before anything of it is decoded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.rpc.call_cost import BATCH_WORK, MOST_FIELDS, CallCost, call_cost
from matcher.v1 import routing_pb2 as pb

ROUTE = "/matcher.v1.RoutingService/RouteMessage"
BATCH = "/matcher.v1.RoutingService/RouteMessages"
SUGGEST = "/matcher.v1.RoutingService/SuggestAgents"


def message(text: str, contact_id: str = "", request_id: str = "") -> pb.RouteMessageRequest:
    """Return the request of one message."""
    return pb.RouteMessageRequest(
        parent="sites/acme", message=pb.Message(text=text), contact_id=contact_id, request_id=request_id
    )


def batch(count: int, text: str) -> pb.RouteMessagesRequest:
    """Return a batch of equal messages."""
    requests = [message(text, contact_id=f"c-{number}") for number in range(count)]
    return pb.RouteMessagesRequest(parent="sites/acme", requests=requests)


def test_an_ordinary_message_is_the_unit_of_work() -> None:
    """A sentence with its ids costs 1; the site is the one of the request."""
    body = message("My bees swarmed.", contact_id="c-1", request_id="r" * 36).SerializeToString()
    assert call_cost(ROUTE, body) == CallCost(1, len(body), "acme")
    suggest = pb.SuggestAgentsRequest(parent="sites/acme", message=pb.Message(text="My bees.")).SerializeToString()
    assert call_cost(SUGGEST, suggest) == CallCost(1, len(suggest), "acme")


def test_a_long_text_costs_as_much_as_its_length() -> None:
    """8,000 letters are the work of some sixty ordinary messages, and no batch."""
    cost = call_cost(ROUTE, message("a" * 8_000).SerializeToString())
    assert 55 <= cost.work <= BATCH_WORK
    assert not cost.batch


@pytest.mark.parametrize(("count", "text", "large"), [(1, "a" * 8_000, False), (64, "bees", False), (65, "bees", True)])
def test_a_batch_costs_its_messages(count: int, text: str, large: bool) -> None:
    """Each message counts; more than the longest single message makes a batch that has a place of its own."""
    cost = call_cost(BATCH, batch(count, text).SerializeToString())
    assert cost.work >= count
    assert cost.batch is large


def test_the_largest_batch_costs_all_its_letters() -> None:
    """256 messages of 7,900 letters."""
    cost = call_cost(BATCH, batch(256, "a" * 7_900).SerializeToString())
    assert cost.work > 256 * 55
    assert cost.batch


def test_the_site_is_the_one_that_protobuf_reads() -> None:
    """Of a field that is sent twice the last value counts, wherever it stands."""
    body = message("My bees.").SerializeToString() + pb.RouteMessageRequest(parent="sites/other").SerializeToString()
    assert call_cost(ROUTE, body).site == pb.RouteMessageRequest.FromString(body).parent.removeprefix("sites/")


@given(st.binary(max_size=400))
def test_a_body_of_any_bytes_has_a_cost(body: bytes) -> None:
    """A body that is no request is refused later, by what decodes it."""
    for method in (ROUTE, BATCH):
        cost = call_cost(method, body)
        assert cost.size == len(body)
        assert cost.work >= 1


def test_a_body_of_very_many_fields_is_not_read_to_its_end() -> None:
    """A million empty messages: only the first thousand are looked at."""
    assert call_cost(BATCH, b"\x12\x00" * 1_000_000).work < 2 * MOST_FIELDS + 2_000_000 // 128
