"""The planted bugs of the store's verbs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.chaos.patches import LUA, Bug, Edit, bug
from benchmarks.chaos.verdict import Law


def _reserve(old: str, new: str, scene: str, *laws: Law) -> Bug:
    return bug(f"{LUA}/reserve.lua", old, new, scene, *laws)


_ENQUEUE: Final = "  enqueue(contact, arg.pool_id, score, waits_until)\n"
_LAPSES: Final = "if tonumber(reservation.deadline) <= now then"

OF_VERBS: Final[Mapping[str, Bug]] = {
    "a repeated request is decided again": _reserve(
        "redis.call('SET', key.once, table.concat(", "tostring(table.concat(", "repeats", Law.TWICE
    ),
    "a contact that an agent has is given to a second one": _reserve(
        "elseif live and not attempt.withdraws then", "elseif live and state ~= 'RESERVED' then", "repeats", Law.TWICE
    ),
    "a transfer that waits frees the old agent": _reserve(
        _ENQUEUE,
        f"{_ENQUEUE}  if attempt.transfer then hand_over(attempt) end\n",
        "transfers",
        Law.CAPACITY,
        Law.TWICE,
        Law.ENDED,
        Law.LOST,
    ),
    "a transfer keeps the old agent": _reserve(
        "if attempt.transfer then hand_over(attempt) end\n", "\n", "transfers", Law.LEFT, Law.CAPACITY, Law.TWICE
    ),
    "a fence stands still": _reserve(
        "digits(math.max(chosen.fence + 1, attempt.micros))", "digits(math.max(chosen.fence, 1))", "plain", Law.FENCE
    ),
    "a deadline is longer than the pool's": _reserve(
        "local lasts_until = now + tonumber(arg.hold_ms)",
        "local lasts_until = now + tonumber(arg.hold_ms) + 900",
        "plain",
        Law.ENDED,
    ),
    "the store counts no capacity": bug(
        f"{LUA}/prelude.lua", "if load + cost > total or (most > 0", "if (most > 0", "stale", Law.CAPACITY
    ),
    "an assignment by hand counts no capacity": bug(
        f"{LUA}/candidates.lua",
        "if over and arg.by_hand[1].over == '' then",
        "if false then",
        "plain",
        Law.LEFT,
        Law.CAPACITY,
    ),
    "new messages take what became free for those who wait": bug(
        f"{LUA}/candidates.lua",
        "if cost and attempt.someone_waits and not attempt.from_queue and",
        "if false and",
        "newcomers",
        Law.OVERTAKEN,
    ),
    "the capacity of a conversation that ended stays held": bug(
        f"{LUA}/reservation.lua",
        "  redis.call('ZREM', key.holds,\n    hold_member(reservation.id, reservation.channel, reservation.counts or "
        "reservation.cost))\n  redis.call('ZREM', key.due",
        "  redis.call('ZREM', key.due",
        "plain",
        Law.LEFT,
        Law.LOST,
        Law.LATE,
    ),
    "a canceled conversation keeps its agent": bug(
        f"{LUA}/cancel.lua",
        "  end_conversation(reservation, 'CANCELED'",
        "  tostring(wrap_up_ms, reservation, 'CANCELED'",
        "plain",
        Law.LEFT,
        Law.ENDED,
        Law.LATE,
        Law.LOST,
    ),
    "an offer lapses before its time": bug(
        f"{LUA}/reservation.lua",
        _LAPSES,
        _LAPSES.replace("now", "now + 1500"),
        "slow desks",
        Law.ENDED,
    ),
    "an offer that lapsed can still be accepted": bug(
        f"{LUA}/reservation.lua",
        _LAPSES,
        _LAPSES.replace("now", "now - 1500"),
        "slow desks",
        Law.ENDED,
        Law.LATE,
        Law.CAPACITY,
    ),
    "a declined contact is not put back into the queue": bug(
        f"{LUA}/decline.lua",
        "put_back(reservation, 'DECLINED', excluded_until)",
        "step(reservation.contact, 'QUEUED', 'DECLINED', reservation.id, reservation.agent)",
        "refusals",
        Law.LOST,
        Law.LATE,
    ),
    "the contact of a missed offer is forgotten": bug(
        f"{LUA}/expire.lua",
        "if has_contact(reservation) then put_back(reservation, unanswered, '0') end",
        "",
        "refusals",
        Law.LOST,
        Law.LATE,
    ),
    "a contact is offered again to the agent who declined": bug(
        f"{LUA}/reservation.lua",
        "'x:' .. agent, excluded_until, 'u:' .. agent, reservation.agent_uid or '')\n  if not stays",
        "'x:', excluded_until)\n  if not stays",
        "refusals",
        Law.AGAIN,
    ),
    "the contact of a completed conversation stays open": bug(
        f"{LUA}/complete.lua",
        "finish(reservation.contact, 'CLOSED', 'COMPLETED', reservation.id, reservation.agent)",
        "tostring(reservation)",
        "plain",
        Law.LOST,
    ),
    "an agent who is away gets offers": Bug(
        (
            Edit(
                f"{LUA}/candidates.lua",
                "return record.status == 'ONLINE' and not (record.beat and tonumber(record.beat) <= attempt.now)",
                "return true",
            ),
            Edit("matcher/index/agent_table.py", "online = status is AgentStatus.ONLINE", "online = True"),
        ),
        "departures",
        frozenset({Law.AWAY}),
    ),
    "an agent whose heartbeats cease stays ONLINE": bug(
        f"{LUA}/beat.lua",
        "digits(now + tonumber(arg.ttl_ms))",
        "digits(now + tonumber(arg.ttl_ms) + 6000)",
        "silences",
        Law.LATE,
    ),
    "a dead leader is waited for": bug(
        f"{LUA}/lead.lua", "'PX', arg.lease_ms)", "'PX', '60000')", "leader killed", Law.LATE, Law.LOST
    ),
    "a conversation that nobody completed is completed": bug(
        f"{LUA}/accept.lua",
        "  extend(reservation, deadline)\n",
        "  extend(reservation, reservation.now + 300)\n",
        "plain",
        Law.ENDED,
        Law.LOST,
        Law.GONE,
        Law.TWICE,
    ),
}
"""Each bug by what a person would see of it."""
