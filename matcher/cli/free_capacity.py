"""Free capacity: how many more contacts of each channel an agent can take now, from the agent's holds."""

from __future__ import annotations

from matcher.v1 import roster_pb2 as pb


def more_contacts(agent: pb.Agent) -> dict[str, int]:
    """Return how many more contacts of each channel an agent takes; nothing for an agent who is not ONLINE.

    The counts are for one channel at a time: a contact of one channel takes capacity of all.
    """
    if agent.status != pb.ONLINE:
        return {}
    free = agent.capacity.total - agent.load
    more = {}
    for limit in agent.capacity.channels:
        count = max(0, free // limit.cost)
        if limit.max:
            # An idle conversation costs nothing, and does not count.
            held = sum(hold.channel == limit.channel and hold.cost > 0 for hold in agent.holds)
            count = min(count, max(0, limit.max - held))
        if count:
            more[limit.channel] = count
    return more


def in_words(agent: pb.Agent) -> str:
    """Return the free capacity, "chat 2, email 1"; "busy" for an agent who is ONLINE without any, "" for the others."""
    more = more_contacts(agent)
    if more:
        return ", ".join(f"{channel} {count}" for channel, count in more.items())
    return "busy" if agent.status == pb.ONLINE else ""
