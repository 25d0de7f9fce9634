"""Lesson 7: an error names its reason, every field that is wrong, and when a repeat helps."""

from __future__ import annotations

import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster


async def test_all_wrong_fields_are_named_at_once(client: MatcherClient) -> None:
    """One answer lists every violation."""
    wrong = roster.Agent(interests=["x" * 600], capacity=roster.Capacity(total=-1))
    with pytest.raises(MatcherCallError) as refused:
        await client.create_agent("new", wrong)
    assert refused.value.reason == "FIELDS_INVALID"
    assert {violation.field for violation in refused.value.violations} == {"agent.interests[0]", "agent.capacity.total"}


async def test_a_name_that_does_not_exist_is_named(client: MatcherClient) -> None:
    """NOT_FOUND carries the whole resource name."""
    with pytest.raises(MatcherCallError) as refused:
        await client.agent("nobody")
    assert refused.value.reason == "AGENT_NOT_FOUND"
    assert refused.value.metadata["agent"] == client.name("agents", "nobody")
