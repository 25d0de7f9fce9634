"""Table of a site's agents: one row each, one array for each property."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from matcher.index.attributes import ABSENT, Attribute, Attributes, AttributeTable
from matcher.index.vector_table import Rows
from matcher.model import Agent, Hold
from matcher.model.lifecycle import AgentStatus

EMPTY = -1
"""The attributes' number of a row that no agent has."""


class AgentTable:
    """Keep each agent's properties as arrays over rows, so that one numpy call checks a constraint for all agents.

    A removed agent's row is given to a later agent.
    """

    def __init__(self) -> None:
        self.attribute_table = AttributeTable()
        self.row_of: dict[str, int] = {}
        """Agent's id → row."""
        self.holds: dict[int, dict[str, Hold]] = {}
        """Row → reservation → hold; only rows with a hold."""
        self.interests: list[Rows] = []
        """By row: the rows of the agent's interests in the vector table."""
        self.agent = np.full(16, None, np.object_)
        """By row: the agent as last written; status, idle time and holds are in columns of their own."""
        self.attributes = np.full(16, EMPTY, np.int32)
        """By row: the number of the agent's attributes in `attribute_table`."""
        self.load = np.zeros(16, np.int64)
        self.idle_since = np.zeros(16, np.int64)
        self._id_parts = np.zeros((2, 16), np.uint64)
        self._online = np.zeros(16, np.bool_)
        self._online_by_attributes = np.zeros(64, np.int64)
        self._status: list[AgentStatus] = []
        self._contacts: dict[str, NDArray[np.int32]] = {}
        """By channel, by row: holds that cost capacity."""
        self._free: list[int] = []
        self.live_holds = 0
        """Holds of all agents together."""

    def __len__(self) -> int:
        return len(self.row_of)

    def add(self, agent: Agent) -> int:
        """Give a new agent a row; the caller sets `interests` of that row."""
        if self._free:
            row = self._free.pop()
        else:
            row = len(self.interests)
            self.interests.append(np.zeros(0, np.int64))
            self._status.append(agent.status)
            if row == len(self.load):
                self._grow()
        self.row_of[agent.id] = row
        self._id_parts[:, row] = np.frombuffer(agent.id.encode()[:16].ljust(16, b"\0"), ">u8")
        self._set_attributes(row, agent)
        self._write(row, agent)
        return row

    def change(self, row: int, agent: Agent) -> None:
        """Replace all properties of an agent but the interests."""
        self.remove_holds(row)
        self.set_status(row, AgentStatus.OFFLINE)
        before = int(self.attributes[row])
        self._set_attributes(row, agent)
        self.attribute_table.release(before)
        self._write(row, agent)

    def remove(self, row: int) -> None:
        """Empty a row."""
        self.remove_holds(row)
        self.set_status(row, AgentStatus.OFFLINE)
        self.attribute_table.release(int(self.attributes[row]))
        del self.row_of[self.agent[row].id]
        self.attributes[row] = EMPTY
        self.agent[row] = None
        self.interests[row] = np.zeros(0, np.int64)
        self._free.append(row)

    def set_status(self, row: int, status: AgentStatus) -> None:
        """Set the status."""
        self._status[row] = status
        online = status is AgentStatus.ONLINE
        if online != self._online[row]:
            self._online[row] = online
            self._online_by_attributes[self.attributes[row]] += 1 if online else -1

    def has_hold(self, row: int, hold: Hold) -> bool:
        """Tell whether the agent has this very hold: same reservation, cost, channel and deadline."""
        holds = self.holds.get(row)
        return holds is not None and holds.get(hold.reservation) == hold

    def add_hold(self, row: int, hold: Hold) -> None:
        """Add a hold; a hold of the same reservation is replaced."""
        self.remove_hold(row, hold.reservation)
        self.holds.setdefault(row, {})[hold.reservation] = hold
        self.load[row] += hold.cost
        contacts = self._contacts.get(hold.channel)
        if contacts is None:
            contacts = self._contacts[hold.channel] = np.zeros(len(self.load), np.int32)
        # An idle conversation costs nothing and does not count towards the channel's maximum.
        contacts[row] += hold.cost > 0
        self.live_holds += 1

    def remove_hold(self, row: int, reservation: str) -> bool:
        """Remove the hold of a reservation; tell whether the agent had it."""
        holds = self.holds.get(row)
        hold = None if holds is None else holds.pop(reservation, None)
        if hold is None:
            return False
        if not holds:
            del self.holds[row]
        self.load[row] -= hold.cost
        self._contacts[hold.channel][row] -= hold.cost > 0
        self.live_holds -= 1
        return True

    def remove_holds(self, row: int) -> None:
        """Remove all holds of an agent."""
        for reservation in list(self.holds.get(row, ())):
            self.remove_hold(row, reservation)

    def current(self, row: int) -> Agent:
        """Return an agent with the present status, idle time and holds, the earliest deadline first."""
        holds = self.holds.get(row, {}).values()
        agent: Agent = self.agent[row]
        return dataclasses.replace(
            agent,
            status=self._status[row],
            idle_since_ms=int(self.idle_since[row]),
            holds=tuple(sorted(holds, key=lambda hold: (hold.deadline_ms, hold.reservation))),
        )

    def is_available(self, row: int, channel: str) -> bool:
        """Tell whether the agent is online and has free capacity for one more contact of the channel."""
        return bool(self._online[row]) and self.has_capacity(row, channel)

    def has_capacity(self, row: int, channel: str) -> bool:
        """Tell whether the agent has free capacity for one more contact of the channel, online or not."""
        attributes = self.attribute_table[int(self.attributes[row])]
        capacity = attributes.channels.get(channel)
        if capacity is None or self.load[row] + capacity.cost > attributes.total:
            return False
        contacts = self._contacts.get(channel)
        return not capacity.max or contacts is None or bool(contacts[row] < capacity.max)

    def is_online(self, row: int) -> bool:
        """Tell whether the agent is online."""
        return bool(self._online[row])

    def rows_in_use(self) -> Rows:
        """Return the rows that have an agent, ascending."""
        return np.flatnonzero(self.attributes != EMPTY)

    def values(self, rows: Rows, attribute: Attribute, name: str) -> NDArray[np.int64]:
        """Return an attribute's value for each of these rows, all in use."""
        return self.attribute_table.column(attribute, name)[self.attributes[rows]]

    def online_by_attributes(self) -> NDArray[np.int64]:
        """Return the number of online agents by attributes' number; valid until the next change."""
        return self._online_by_attributes[: len(self.attribute_table)]

    def online(self, rows: Rows) -> NDArray[np.bool_]:
        """Tell of each row whether the agent is online."""
        return self._online[rows]

    def have_capacity(self, rows: Rows, channel: str) -> NDArray[np.bool_]:
        """Tell of each row whether the agent has free capacity for one more contact of the channel, online or not."""
        cost = self.values(rows, Attribute.COST, channel)
        free: NDArray[np.bool_] = (cost != ABSENT) & (self.load[rows] + cost <= self.totals(rows))
        contacts = self._contacts.get(channel)
        if contacts is not None:
            most = self.values(rows, Attribute.MOST, channel)
            free &= (most == 0) | (contacts[rows] < most)
        return free

    def totals(self, rows: Rows) -> NDArray[np.int64]:
        """Return the total capacities."""
        return self.attribute_table.totals()[self.attributes[rows]]

    def utilization(self, rows: Rows) -> NDArray[np.float64]:
        """Return load over capacity, at least 1 where the capacity is 0.

        It is above 1 after an assignment above the capacity, and where the capacity was lowered below the load.
        """
        total = self.totals(rows)
        used: NDArray[np.float64] = self.load[rows] / np.maximum(total, 1)
        none = total == 0
        used[none] = np.maximum(used[none], 1.0)
        return used

    def id_parts(self, rows: Rows) -> NDArray[np.uint64]:
        """Return [2, rows]: the first 16 bytes of each id as two numbers that sort as the ids do."""
        return self._id_parts[:, rows]

    def _set_attributes(self, row: int, agent: Agent) -> None:
        self.attributes[row] = self.attribute_table.acquire(Attributes.of(agent.profile))
        if len(self.attribute_table) > len(self._online_by_attributes):
            self._online_by_attributes = np.concatenate(
                [self._online_by_attributes, np.zeros_like(self._online_by_attributes)]
            )

    def _write(self, row: int, agent: Agent) -> None:
        self.agent[row] = dataclasses.replace(agent, holds=()) if agent.holds else agent
        self.idle_since[row] = agent.idle_since_ms
        self.set_status(row, agent.status)
        for hold in agent.holds:
            self.add_hold(row, hold)

    def _grow(self) -> None:
        more = len(self.load)
        self.agent = np.concatenate([self.agent, np.full(more, None, np.object_)])
        self.attributes = np.concatenate([self.attributes, np.full(more, EMPTY, np.int32)])
        self.load = np.concatenate([self.load, np.zeros(more, np.int64)])
        self.idle_since = np.concatenate([self.idle_since, np.zeros(more, np.int64)])
        self._id_parts = np.concatenate([self._id_parts, np.zeros((2, more), np.uint64)], axis=1)
        self._online = np.concatenate([self._online, np.zeros(more, np.bool_)])
        for channel, contacts in self._contacts.items():
            self._contacts[channel] = np.concatenate([contacts, np.zeros(more, np.int32)])
