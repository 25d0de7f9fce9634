"""Words about contacts that wait: their place in the queue, and whether anybody is online who could take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matcher.cli import tables
from matcher.cli.tables import short
from matcher.client import MatcherClient
from matcher.v1 import routing_pb2 as pb

NO_WORDS = "-"
"""A message that says nothing of any interest: it asks only how many agents could take it."""


class Places:
    """Tells contacts' places in words; asks once for contacts that the same agents can take."""

    def __init__(self, client: MatcherClient) -> None:
        self._client = client
        self._nobody: dict[tuple[str, ...], bool] = {}

    async def of(self, contact: pb.Contact) -> str:
        """Return the place of a contact in words, "" where it does not wait."""
        if not contact.HasField("queued"):
            return ""
        return tables.queued(contact.queued, nobody_online=await self._nobody_online(contact))

    async def in_list(self, contact: pb.Contact) -> str:
        """Return the place of a contact as a cell of a list, "" where it does not wait."""
        if not contact.HasField("queued"):
            return ""
        return tables.place_in_list(contact.queued, nobody_online=await self._nobody_online(contact))

    async def nobody_online_for(self, sign: pb.ContactEvent) -> bool:
        """Return whether nobody is online for the contact of a sign of life; false where its wait is estimated."""
        if sign.queued.HasField("estimated_wait"):
            return False
        contact = await self._client.contact(sign.contact)
        return contact.HasField("queued") and await self._nobody_online(contact)

    async def _nobody_online(self, contact: pb.Contact) -> bool:
        if contact.queued.HasField("estimated_wait"):
            return False
        key = (short(contact.pool), contact.channel, *map(short, contact.excluded_agents))
        if key not in self._nobody:
            self._nobody[key] = await nobody_online(self._client, key[0], key[1], excluded_agents=key[2:])
        return self._nobody[key]


async def nobody_online(
    client: MatcherClient,
    pool: str,
    channel: str,
    *,
    language: str = "",
    required_skills: Mapping[str, int] | None = None,
    excluded_agents: Sequence[str] = (),
) -> bool:
    """Return whether none of the agents who could take a contact is ONLINE, free or busy."""
    answer = await client.suggest(
        NO_WORDS,
        pool=pool,
        channel=channel,
        language=language,
        required_skills=required_skills or {},
        excluded_agents=excluded_agents,
        max_candidates=1,
    )
    busy = any(count.agents for count in answer.left_out if count.constraint == pb.CONSTRAINT_CAPACITY)
    return not answer.candidates and not busy
