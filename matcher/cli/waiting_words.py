"""Words about contacts that wait: their place in the queue, and why nobody can be expected to take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message

from matcher.cli import tables
from matcher.cli.tables import short
from matcher.client import MatcherClient
from matcher.model.durations import in_words
from matcher.v1 import routing_pb2 as pb

NO_WORDS = "-"
"""A message that says nothing of any interest: it asks only how many agents could take it."""
NOBODY_ONLINE = "nobody who could take it is online"


class Places:
    """Tells contacts' places in words; asks once for contacts that the same agents can take."""

    def __init__(self, client: MatcherClient) -> None:
        self._client = client
        self._nobody: dict[tuple[object, ...], str] = {}

    async def of(self, contact: pb.Contact) -> str:
        """Return the place of a contact in words, "" where it does not wait."""
        if not contact.HasField("queued"):
            return ""
        return place(contact.queued, await self._why_nobody(contact))

    async def in_list(self, contact: pb.Contact) -> str:
        """Return the place of a contact as a cell of a list ("3, about 2 min"), "" where it does not wait."""
        if not contact.HasField("queued"):
            return ""
        position = f"{contact.queued.position}"
        if contact.queued.HasField("estimated_wait"):
            return f"{position}, about {_estimate(contact.queued)}"
        match await self._why_nobody(contact):
            case "":
                return position
            case nobody:
                return f"{position}, {'nobody online' if nobody == NOBODY_ONLINE else 'nobody can'}"

    async def line(self, sign: pb.ContactEvent) -> str:
        """Return the place in the queue that a sign of life has, as a line."""
        nobody = ""
        if not sign.queued.HasField("estimated_wait"):
            contact = await self._client.contact(sign.contact)
            nobody = await self._why_nobody(contact) if contact.HasField("queued") else ""
        return f"{tables.time(sign.time)} {short(sign.contact)} {sign.sequence} {place(sign.queued, nobody)}"

    async def _why_nobody(self, contact: pb.Contact) -> str:
        if contact.queued.HasField("estimated_wait"):
            return ""
        needs, waited = contact.requirements, datetime.now(UTC) - contact.create_time.ToDatetime(UTC)
        language = "" if _is_over(needs, "language_expires_after", waited) else needs.language
        skills = {
            needed.skill: needed.level
            for needed in needs.required_skills
            if not _is_over(needed, "expires_after", waited)
        }
        excluded = sorted({short(agent) for agent in (*contact.excluded_agents, *needs.excluded_agents)})
        key = (short(contact.pool), contact.channel, language, *skills.items(), *excluded)
        if key not in self._nobody:
            self._nobody[key] = await why_nobody(
                self._client,
                short(contact.pool),
                contact.channel,
                language=language,
                required_skills=skills,
                excluded_agents=excluded,
            )
        return self._nobody[key]


def place(queued: pb.Queued, nobody: str = "") -> str:
    """Return a contact's position in the queue and its wait, in words; nobody: as `why_nobody` returns it."""
    estimate = f"; {nobody}" if nobody else ""
    if queued.HasField("estimated_wait"):
        estimate = f", for about {_estimate(queued)}"
    return f"position {queued.position} in the queue{estimate}; at most until {tables.time(queued.expire_time)}"


async def why_nobody(
    client: MatcherClient,
    pool: str,
    channel: str,
    *,
    language: str = "",
    required_skills: Mapping[str, int] | None = None,
    excluded_agents: Sequence[str] = (),
) -> str:
    """Return why none of the agents who are ONLINE could take a contact, free or busy; "" where one could."""
    answer = await client.suggest(
        NO_WORDS,
        pool=pool,
        channel=channel,
        language=language,
        required_skills=required_skills or {},
        excluded_agents=excluded_agents,
        max_candidates=1,
    )
    if answer.candidates:
        return ""
    left_out = [count.constraint for count in answer.left_out if count.agents] or [pb.CONSTRAINT_POOL]
    match left_out[-1]:
        case pb.CONSTRAINT_CAPACITY:
            return ""
        case pb.CONSTRAINT_STATUS:
            return NOBODY_ONLINE
        case last:
            return tables.nobody(last)


def _estimate(queued: pb.Queued) -> str:
    return in_words(queued.estimated_wait.ToTimedelta().total_seconds())


def _is_over(given: Message, field: str, waited: timedelta) -> bool:
    return given.HasField(field) and getattr(given, field).ToTimedelta() <= waited
