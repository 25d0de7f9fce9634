"""The store of an agent's traces after the removal: in customers, contacts, reservations, decisions and streams."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from matcher.store import verbs
from matcher.store.codecs import Record, encode_record, fields_of
from matcher.store.customers import AGENT, AGENT_UID
from matcher.store.keys import Keys
from matcher.store.outbox import text_without_agent
from matcher.store.redis.client import StoreClient
from matcher.store.traces import Traces, TraceStore

_CONTACT = ("agent", "history", "only", "takes_over", "compared")
_DECISION = ("record", "agent", "compared", "seen")


class AgentTraceStore:
    """Remove the traces of an agent who is no longer on the roster."""

    def __init__(self, client: StoreClient, traces: TraceStore) -> None:
        self._client = client
        self._traces = traces

    async def remove(self, site: str, agent: str) -> None:
        """Take an agent's id, name and interests out of every record, list and event. A repetition changes nothing.

        What was decided stays, without the agent: the other candidates, and the steps of the contacts.
        """
        keys, traces = Keys(site), Traces()
        async for customer, _ in self._traces.records(site, "customer", ("HGET", AGENT + agent)):
            record = keys.customer(customer)
            traces.cut |= {(record, AGENT + agent), (record, AGENT_UID + agent)}
        async for name, _ in self._traces.records(site, "vec", ("STRLEN",)):
            if name.partition(":")[2] == agent:
                traces.records.add(keys.vectors(name.partition(":")[0], agent))
        praise = self._traces.records(site, "praise", ("HGET", "agent"))
        traces.records |= {keys.praise(one) async for one, praised in praise if praised == agent.encode()}
        traces.records |= {keys.agent(agent), keys.holds(agent), keys.praised(agent)}
        traces.members |= {(keys.agents, agent), (keys.timers, f"beat|{agent}")}
        for kind in ("contact", "resv"):
            async for name, fields in self._traces.records(site, kind, ("HGETALL",)):
                if _names(fields_of(fields), agent):
                    await self._blank(site, f"{kind}:{name}", agent)
        async for name, values in self._traces.records(site, "decision", ("HMGET", *_DECISION)):
            record, chosen, *packed = values
            without = _without(record, agent) if record else b""
            if without or chosen == agent.encode() or any(agent.encode() in _ids(value) for value in packed if value):
                await self._blank(site, f"decision:{name}", agent, without)
        await self._traces.note_events(site, traces, {agent})
        await self._note_entries(site, traces, agent)
        await self._traces.remove(site, traces)

    async def _note_entries(self, site: str, traces: Traces, agent: str) -> None:
        """Note the entries of the outbox that name the agent, each with what says the same without the agent."""
        async for number, text in self._traces.entries(site):
            if (rest := text_without_agent(text, agent)) != text:
                traces.outbox_entries[number] = rest.encode()

    async def _blank(self, site: str, rest: str, agent: str, decision_record: bytes = b"") -> None:
        record = Keys(site).pattern.removesuffix("*") + rest
        await self._client.verb(
            verbs.BlankAgent(life=Keys(site).life, record=record, agent_id=agent, decision_record=decision_record)
        )


def _names(fields: dict[str, bytes], agent: str) -> bool:
    """Return whether a contact or a reservation names an agent."""
    if f"x:{agent}" in fields or f"u:{agent}" in fields:
        return True
    return any(f"|{agent}|" in f"|{fields.get(name, b'').decode(errors='replace')}|" for name in _CONTACT)


def _ids(packed: bytes) -> set[bytes]:
    """Return the words of a packed field, the ids of agents among them."""
    return set(packed.replace(b";", b"|").split(b"|"))


def _without(stored: bytes, agent: str) -> bytes:
    """Return a decision's record without an agent; b"" where it does not name the agent, or cannot be read."""
    record: Any = None
    with suppress(msgspec.MsgspecError):
        record = msgspec.json.decode(stored, type=Record)
    if record is None:
        return b""
    ranking = record.ranking
    left_out = ranking.left_out
    without = replace(
        ranking,
        candidates=tuple(one for one in ranking.candidates if one.agent != agent),
        left_out=replace(left_out, agents=tuple(one for one in left_out.agents if one[0] != agent)),
        unknown_preferred=tuple(one for one in ranking.unknown_preferred if one != agent),
    )
    return b"" if without == ranking else encode_record(msgspec.structs.replace(record, ranking=without))
