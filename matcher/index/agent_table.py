"""People: what each agent of a site is, says and holds, as columns over slots."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from matcher.index.attributes import NOT_TAKEN, Attribute, Attributes, AttributeTable
from matcher.index.vector_table import Rows
from matcher.model import Agent, Hold
from matcher.model.lifecycle import AgentStatus

NOBODY = -1
"""The traits of an empty slot."""


class AgentTable:
    """Keep a slot for each agent; columns are arrays, so that a constraint is checked for all in one step."""

    def __init__(self) -> None:
        self.traits = AttributeTable()
        self.slots: dict[str, int] = {}
        self.holds: dict[int, dict[str, Hold]] = {}
        """Of the slots that hold something."""
        self.rows: list[Rows] = []
        self.agent = np.full(16, None, np.object_)
        self.trait = np.full(16, NOBODY, np.int32)
        self.load = np.zeros(16, np.int64)
        self.idle_since = np.zeros(16, np.int64)
        self._id_parts = np.zeros((2, 16), np.uint64)
        self._online = np.zeros(16, np.bool_)
        self._online_with = np.zeros(64, np.int64)
        """By traits: who is online."""
        self._status: list[AgentStatus] = []
        self._held: dict[str, NDArray[np.int32]] = {}
        self._free: list[int] = []
        self.live = 0
        """Holds of all agents together."""

    def __len__(self) -> int:
        return len(self.slots)

    def add(self, agent: Agent) -> int:
        """Give an agent who has none a slot; the rows are set by who calls."""
        if self._free:
            slot = self._free.pop()
        else:
            slot = len(self.rows)
            self.rows.append(np.zeros(0, np.int64))
            self._status.append(agent.status)
            if slot == len(self.load):
                self._grow()
        self.slots[agent.id] = slot
        self._id_parts[:, slot] = np.frombuffer(agent.id.encode()[:16].ljust(16, b"\0"), ">u8")
        self._wear(slot, agent)
        self._write(slot, agent)
        return slot

    def change(self, slot: int, agent: Agent) -> None:
        """Put what is known of an agent in the place of what was."""
        self.release_all(slot)
        self.declare(slot, AgentStatus.OFFLINE)
        before = int(self.trait[slot])
        self._wear(slot, agent)
        self.traits.leave(before)
        self._write(slot, agent)

    def remove(self, slot: int) -> None:
        """Empty a slot."""
        self.release_all(slot)
        self.declare(slot, AgentStatus.OFFLINE)
        self.traits.leave(int(self.trait[slot]))
        del self.slots[self.agent[slot].id]
        self.trait[slot] = NOBODY
        self.agent[slot] = None
        self.rows[slot] = np.zeros(0, np.int64)
        self._free.append(slot)

    def declare(self, slot: int, status: AgentStatus) -> None:
        """Set the status."""
        self._status[slot] = status
        online = status is AgentStatus.ONLINE
        if online != self._online[slot]:
            self._online[slot] = online
            self._online_with[self.trait[slot]] += 1 if online else -1

    def holds_already(self, slot: int, hold: Hold) -> bool:
        """Tell whether a hold is known as it is."""
        holds = self.holds.get(slot)
        return holds is not None and holds.get(hold.reservation) == hold

    def take(self, slot: int, hold: Hold) -> None:
        """Add a hold, in the place of one of the same reservation."""
        self.release(slot, hold.reservation)
        self.holds.setdefault(slot, {})[hold.reservation] = hold
        self.load[slot] += hold.cost
        held = self._held.get(hold.channel)
        if held is None:
            held = self._held[hold.channel] = np.zeros(len(self.load), np.int32)
        # An idle conversation costs nothing and is none of the channel's.
        held[slot] += hold.cost > 0
        self.live += 1

    def release(self, slot: int, reservation: str) -> bool:
        """Take a hold away, if it is there."""
        holds = self.holds.get(slot)
        hold = None if holds is None else holds.pop(reservation, None)
        if hold is None:
            return False
        if not holds:
            del self.holds[slot]
        self.load[slot] -= hold.cost
        self._held[hold.channel][slot] -= hold.cost > 0
        self.live -= 1
        return True

    def release_all(self, slot: int) -> None:
        """Take all holds of a slot away."""
        for reservation in list(self.holds.get(slot, ())):
            self.release(slot, reservation)

    def known(self, slot: int) -> Agent:
        """Return an agent with today's status, idleness and holds, the earliest deadline first."""
        holds = self.holds.get(slot, {}).values()
        agent: Agent = self.agent[slot]
        return dataclasses.replace(
            agent,
            status=self._status[slot],
            idle_since_ms=int(self.idle_since[slot]),
            holds=tuple(sorted(holds, key=lambda hold: (hold.deadline_ms, hold.reservation))),
        )

    def takes(self, slot: int, channel: str) -> bool:
        """Tell whether the agent is online and has room for one more contact of the channel."""
        if not self._online[slot]:
            return False
        traits = self.traits[int(self.trait[slot])]
        listed = traits.channels.get(channel)
        if listed is None or self.load[slot] + listed.cost > traits.total:
            return False
        held = self._held.get(channel)
        return not listed.max or held is None or bool(held[slot] < listed.max)

    def is_online(self, slot: int) -> bool:
        """Tell whether the agent is online."""
        return bool(self._online[slot])

    def present(self) -> Rows:
        """Return the slots in use, ascending."""
        return np.flatnonzero(self.trait != NOBODY)

    def answers(self, slots: Rows, question: Attribute, name: str) -> NDArray[np.int64]:
        """Ask each slot in use a question about its traits."""
        return self.traits.column(question, name)[self.trait[slots]]

    def online_with(self) -> NDArray[np.int64]:
        """Count by traits who is online; valid until the next change."""
        return self._online_with[: len(self.traits)]

    def online(self, slots: Rows) -> NDArray[np.bool_]:
        """Tell who is online."""
        return self._online[slots]

    def have_room(self, slots: Rows, channel: str) -> NDArray[np.bool_]:
        """Tell who has room for one more contact of the channel, whatever the status."""
        cost = self.answers(slots, Attribute.COST, channel)
        room: NDArray[np.bool_] = (cost != NOT_TAKEN) & (self.load[slots] + cost <= self.totals(slots))
        held = self._held.get(channel)
        if held is not None:
            most = self.answers(slots, Attribute.MOST, channel)
            room &= (most == 0) | (held[slots] < most)
        return room

    def totals(self, slots: Rows) -> NDArray[np.int64]:
        """Return the total capacities."""
        return self.traits.totals()[self.trait[slots]]

    def utilization(self, slots: Rows) -> NDArray[np.float64]:
        """Return load over capacity in [0, 1]; 1 where the capacity is 0 or was lowered below the load."""
        total = self.totals(slots)
        used: NDArray[np.float64] = self.load[slots] / np.maximum(total, 1)
        used[total == 0] = 1.0
        return np.minimum(used, 1.0, out=used)

    def id_parts(self, slots: Rows) -> NDArray[np.uint64]:
        """Return [2, slots]: the first 16 bytes of each id as two numbers that order as the ids do."""
        return self._id_parts[:, slots]

    def _wear(self, slot: int, agent: Agent) -> None:
        self.trait[slot] = self.traits.take(Attributes.of(agent.profile))
        if len(self.traits) > len(self._online_with):
            self._online_with = np.concatenate([self._online_with, np.zeros_like(self._online_with)])

    def _write(self, slot: int, agent: Agent) -> None:
        self.agent[slot] = dataclasses.replace(agent, holds=()) if agent.holds else agent
        self.idle_since[slot] = agent.idle_since_ms
        self.declare(slot, agent.status)
        for hold in agent.holds:
            self.take(slot, hold)

    def _grow(self) -> None:
        more = len(self.load)
        self.agent = np.concatenate([self.agent, np.full(more, None, np.object_)])
        self.trait = np.concatenate([self.trait, np.full(more, NOBODY, np.int32)])
        self.load = np.concatenate([self.load, np.zeros(more, np.int64)])
        self.idle_since = np.concatenate([self.idle_since, np.zeros(more, np.int64)])
        self._id_parts = np.concatenate([self._id_parts, np.zeros((2, more), np.uint64)], axis=1)
        self._online = np.concatenate([self._online, np.zeros(more, np.bool_)])
        for channel, held in self._held.items():
            self._held[channel] = np.concatenate([held, np.zeros(more, np.int32)])
