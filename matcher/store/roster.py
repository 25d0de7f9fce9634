"""The store of the roster: agents with their interest vectors, and pools."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from matcher.auth.principal import NOBODY, current_principal, digest_of
from matcher.errors import (
    AgentExists,
    AgentHasHolds,
    AgentNotFound,
    EtagMismatch,
    PoolExists,
    PoolHasWaiting,
    PoolInUse,
    PoolNotFound,
    SiteQuotaExceeded,
)
from matcher.model import Agent, Hold, Page, Pool, PoolPolicy, Profile, etag
from matcher.model.lifecycle import AgentStatus
from matcher.model.quotas import NO_CALLER_QUOTAS, NO_QUOTAS, CallerQuotas, QuotaUse, SiteQuotas
from matcher.model.resource_names import agent_name, new_uid, pool_name, site_name
from matcher.model.scope import EVERYTHING, Scope
from matcher.store import verbs
from matcher.store.codecs import (
    decode_agent,
    decode_holds,
    decode_pool,
    decode_vectors,
    encode_channels,
    encode_policy,
    encode_profile,
    encode_vectors,
    fields_of,
    pairs_of,
)
from matcher.store.keys import SITES, Keys
from matcher.store.models import known_models
from matcher.store.pages import id_page
from matcher.store.redis.client import StoreClient
from matcher.store.said import is_own_desk, say
from matcher.store.unreadable import Unreadable

MUST_NOT_EXIST = 0

TextsOf: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
"""Returns what a model compares of interests: by these texts vectors are recognised as theirs."""


class RosterStore:
    """Read and write agents and pools."""

    def __init__(
        self,
        connection: StoreClient,
        events_kept: int,
        unreadable: Unreadable | None = None,
        quotas: SiteQuotas = NO_QUOTAS,
        own_quotas: CallerQuotas = NO_CALLER_QUOTAS,
    ) -> None:
        """unreadable: reports records that are left out where many are read.

        quotas: of every site; own_quotas: of every caller in it.
        """
        self._connection = connection
        self._unreadable = unreadable or Unreadable()
        self._events_kept = events_kept
        self._quotas = quotas
        self._own_quotas = own_quotas

    async def agent(self, site: str, agent: str, now_ms: int) -> Agent | None:
        """Read an agent with the agent's holds."""
        keys = Keys(site)
        fields, members = await self._connection.pipeline(
            [("HGETALL", keys.agent(agent)), ("ZRANGE", keys.holds(agent), 0, -1, "WITHSCORES")]
        )
        if not fields:
            return None
        return decode_agent(agent, fields_of(fields), decode_holds(pairs_of(members), now_ms))

    async def agents(self, site: str, agents: Sequence[str]) -> list[Agent | None]:
        """Read agents, without their holds, in one round trip; None: there is no such agent, or no readable record."""
        commands = [("HGETALL", Keys(site).agent(agent)) for agent in agents]
        records = zip(agents, await self._connection.pipeline(commands, any_type=True), strict=True)
        return self._unreadable.decoded(
            site, "agent", records, lambda agent, fields: decode_agent(agent, fields_of(fields))
        )

    async def holds(self, site: str, agents: Sequence[str], now_ms: int) -> list[tuple[Hold, ...]]:
        """Read the holds of agents, in one round trip."""
        commands = [("ZRANGE", Keys(site).holds(agent), 0, -1, "WITHSCORES") for agent in agents]
        records = zip(agents, await self._connection.pipeline(commands, any_type=True), strict=True)
        holds = self._unreadable.decoded(
            site, "holds", records, lambda _, members: decode_holds(pairs_of(members), now_ms)
        )
        return [own or () for own in holds]

    async def vectors(
        self,
        site: str,
        model: str,
        agents: Sequence[Agent],
        dimension: int,
        texts_of: TextsOf = lambda interests: interests,
    ) -> list[NDArray[np.float32] | None]:
        """Read agents' interest vectors [interests, dimension] in one round trip; None: not of these interests.

        texts_of: returns what the model compares of interests; vectors of other texts are not those of these interests.
        """
        keys = Keys(site)
        values = await self._connection.pipeline([("GET", keys.vectors(model, agent.id)) for agent in agents])
        return [
            decode_vectors(texts_of(agent.profile.interests), stored, dimension)
            for agent, stored in zip(agents, values, strict=True)
        ]

    async def put_vectors(
        self,
        site: str,
        model: str,
        vectors: Sequence[tuple[Agent, NDArray[np.float32]]],
        texts_of: TextsOf = lambda interests: interests,
    ) -> None:
        """Write agents' interest vectors of a model, in one round trip; not those of agents that have changed.

        texts_of: as in `vectors`.
        """
        keys = Keys(site)
        agents = [
            verbs.AgentVectors(
                agent=keys.agent(agent.id),
                vectors=keys.vectors(model, agent.id),
                profile_version=agent.profile_version,
                encoded=encode_vectors(texts_of(agent.profile.interests), rows),
            )
            for agent, rows in vectors
        ]
        await self._connection.verb(verbs.PutVectors(life=keys.life, agents=agents))

    async def agent_ids(self, site: str, most: int, after: str) -> Page[str]:
        """List a page of agent ids in order."""
        return await id_page(self._connection, Keys(site).agents, most, after)

    async def put_agent(
        self,
        site: str,
        agent: str,
        profile: Profile,
        status: AgentStatus | None,
        *,
        model: str,
        vectors: NDArray[np.float32] | None,
        expected: int | None,
        pools_before: Sequence[str],
        before: Agent | None = None,
        imported: bool = False,
        texts_of: TextsOf = lambda interests: interests,
    ) -> Agent:
        """Write an agent; `expected` is the version it must have (0: it must not exist, None: any).

        before: the agent as it was read, for the audit trail. imported: an agent whose heartbeats have stopped keeps
        the status, and the guard. texts_of: as in `vectors`.
        Raises AgentExists, AgentNotFound, EtagMismatch, PoolNotFound or SiteQuotaExceeded; nothing is written then.
        """
        keys = Keys(site)
        left = [pool for pool in pools_before if pool not in profile.pools]
        answer = await self._connection.verb(
            verbs.PutAgent(
                life=keys.life,
                agent=keys.agent(agent),
                agents=keys.agents,
                vectors=keys.vectors(model, agent),
                roster=keys.roster,
                audit=keys.audit,
                said=say(agent_name(site, agent), before and before.profile, profile, status=_statuses(before, status)),
                pools=keys.pools,
                waiting=keys.waiting,
                agent_id=agent,
                expected="" if expected is None else expected,
                uid=new_uid(),
                status=status or "",
                imported="1" if imported else "",
                profile=encode_profile(profile),
                total=profile.capacity.total,
                channels=encode_channels(profile.capacity),
                encoded=b"" if vectors is None else encode_vectors(texts_of(profile.interests), vectors),
                write_id=secrets.token_hex(8),
                events_kept=self._events_kept,
                left=[verbs.PoolLeft(members=keys.members(pool)) for pool in left],
                joined=[verbs.PoolJoined(members=keys.members(pool), id=pool) for pool in profile.pools],
                most_agents=self._quotas.agents,
            )
        )
        match answer:
            case [b"ok", fields]:
                return decode_agent(agent, fields_of(fields))
            case [b"exists"]:
                raise AgentExists(agent_name(site, agent))
            case [b"mismatch", version]:
                raise EtagMismatch(agent_name(site, agent), etag(int(version)))
            case [b"pool", pool]:
                raise PoolNotFound(pool_name(site, pool.decode()))
            case [b"quota"]:
                raise SiteQuotaExceeded(site_name(site), "agents", str(self._quotas.agents))
            case _:
                raise AgentNotFound(agent_name(site, agent))

    async def put_status(
        self, site: str, agent: str, status: AgentStatus, scope: Scope = EVERYTHING, *, reason: str = ""
    ) -> Agent:
        """Declare an agent's status, and why. Raises AgentNotFound, also where the caller does not reach the agent."""
        keys = Keys(site)
        answer = await self._connection.verb(
            verbs.PutStatus(
                life=keys.life,
                agent=keys.agent(agent),
                roster=keys.roster,
                audit=keys.audit,
                said=b"" if is_own_desk(site, agent) else say(agent_name(site, agent), None, {}),
                waiting=keys.waiting,
                agent_id=agent,
                uid=new_uid(),
                status=status,
                why=reason,
                events_kept=self._events_kept,
                scope=scope.packed(agent),
            )
        )
        if answer[0] != b"ok":
            raise AgentNotFound(agent_name(site, agent))
        return decode_agent(agent, fields_of(answer[1]))

    async def delete_agent(
        self, site: str, agent: str, *, expected: int | None, pools: Sequence[str], before: Agent | None = None
    ) -> None:
        """Remove an agent who holds nothing; `before` is the agent as it was read, for the audit trail.

        Raises AgentNotFound, EtagMismatch or AgentHasHolds.
        """
        keys = Keys(site)
        models = await known_models(self._connection)
        write = secrets.token_hex(8)
        answer = await self._connection.verb(
            verbs.DeleteAgent(
                life=keys.life,
                agent=keys.agent(agent),
                agents=keys.agents,
                roster=keys.roster,
                audit=keys.audit,
                said=say(agent_name(site, agent), before and before.profile, None),
                holds=keys.holds(agent),
                once=keys.once("delete", write),
                timers=keys.timers,
                agent_id=agent,
                expected="" if expected is None else expected,
                events_kept=self._events_kept,
                write_id=write,
                left=[verbs.PoolLeft(members=keys.members(pool)) for pool in pools],
                models=[verbs.ModelVectors(vectors=keys.vectors(model.fingerprint, agent)) for model in models],
            )
        )
        match answer:
            case [b"ok"]:
                return
            case [b"mismatch", version]:
                raise EtagMismatch(agent_name(site, agent), etag(int(version)))
            case [b"holds", holds]:
                raise AgentHasHolds(agent_name(site, agent), int(holds))
            case _:
                raise AgentNotFound(agent_name(site, agent))

    async def usage(self, site: str) -> list[QuotaUse]:
        """Count what the quotas of a site bound, and those of the caller in it, in one round trip."""
        keys, quotas, own, principal = Keys(site), self._quotas, self._own_quotas, current_principal()
        bounded: list[tuple[str, tuple[str, ...], int]] = [
            ("agents", ("ZCARD", keys.agents), quotas.agents),
            ("pools", ("ZCARD", keys.pools), quotas.pools),
            ("waiting_contacts", ("ZCARD", keys.queue), quotas.waiting_contacts),
            ("open_offers", ("ZCARD", keys.offers), quotas.open_offers),
        ]
        if principal is not NOBODY:
            for name, kind, limit in (
                ("own_open_offers", "o", own.open_offers),
                ("own_waiting_contacts", "w", own.waiting_contacts),
            ):
                begins = f"{kind}|{digest_of(principal)}|"
                bounded.append((name, ("ZLEXCOUNT", keys.asked, f"[{begins}", f"({begins}~"), limit))
        counts = await self._connection.pipeline([command for _, command, _ in bounded])
        return [QuotaUse(name, int(used), limit) for (name, _, limit), used in zip(bounded, counts, strict=True)]

    async def site_ids(self, most: int, after: str) -> Page[str]:
        """List a page of the ids of the sites in order."""
        return await id_page(self._connection, SITES, most, after)

    async def pool(self, site: str, pool: str) -> Pool | None:
        """Read a pool; None: there is no such pool, or no readable record."""
        return (await self._pools(site, [pool]))[0]

    async def pools(self, site: str, most: int, after: str) -> Page[Pool]:
        """List a page of pools by id."""
        ids = await id_page(self._connection, Keys(site).pools, most, after)
        pools = tuple(pool for pool in await self._pools(site, ids.items) if pool is not None)
        return Page(pools, ids.next, tuple(pool.id for pool in pools))

    async def _pools(self, site: str, pools: Sequence[str]) -> list[Pool | None]:
        commands = [("HGETALL", Keys(site).pool(pool)) for pool in pools]
        records = zip(pools, await self._connection.pipeline(commands, any_type=True), strict=True)
        return self._unreadable.decoded(
            site, "pool", records, lambda pool, fields: decode_pool(pool, fields_of(fields))
        )

    async def put_pool(
        self, site: str, pool: str, policy: PoolPolicy, expected: int | None, before: PoolPolicy | None = None
    ) -> Pool:
        """Write a pool's policy; `before` is the policy as it was read, for the audit trail.

        Raises PoolExists, PoolNotFound, EtagMismatch or SiteQuotaExceeded.
        """
        keys = Keys(site)
        answer = await self._connection.verb(
            verbs.PutPool(
                life=keys.life,
                pool=keys.pool(pool),
                pools=keys.pools,
                roster=keys.roster,
                audit=keys.audit,
                said=say(pool_name(site, pool), before, policy),
                pool_id=pool,
                uid=new_uid(),
                expected="" if expected is None else expected,
                policy=encode_policy(policy),
                write_id=secrets.token_hex(8),
                events_kept=self._events_kept,
                most_pools=self._quotas.pools,
            )
        )
        match answer:
            case [b"ok", fields]:
                return decode_pool(pool, fields_of(fields))
            case [b"quota"]:
                raise SiteQuotaExceeded(site_name(site), "pools", str(self._quotas.pools))
            case [b"exists"]:
                raise PoolExists(pool_name(site, pool))
            case [b"mismatch", version]:
                raise EtagMismatch(pool_name(site, pool), etag(int(version)))
            case _:
                raise PoolNotFound(pool_name(site, pool))

    async def delete_pool(self, site: str, pool: str, expected: int | None, before: PoolPolicy | None = None) -> None:
        """Remove a pool that has no agent; `before` is as of put_pool.

        Raises PoolNotFound, EtagMismatch, PoolInUse or PoolHasWaiting.
        """
        keys, write = Keys(site), secrets.token_hex(8)
        answer = await self._connection.verb(
            verbs.DeletePool(
                life=keys.life,
                pool=keys.pool(pool),
                pools=keys.pools,
                roster=keys.roster,
                audit=keys.audit,
                said=say(pool_name(site, pool), before, None),
                members=keys.members(pool),
                waiting=keys.waiting,
                once=keys.once("delete", write),
                pool_id=pool,
                expected="" if expected is None else expected,
                events_kept=self._events_kept,
                write_id=write,
            )
        )
        match answer:
            case [b"ok"]:
                return
            case [b"mismatch", version]:
                raise EtagMismatch(pool_name(site, pool), etag(int(version)))
            case [b"used", agents]:
                raise PoolInUse(pool_name(site, pool), int(agents))
            case [b"waits", waiting]:
                raise PoolHasWaiting(pool_name(site, pool), int(waiting))
            case _:
                raise PoolNotFound(pool_name(site, pool))


def _statuses(before: Agent | None, given: AgentStatus | None) -> tuple[AgentStatus | None, AgentStatus | None]:
    """Return an agent's status before and after a write; a write without a status leaves it."""
    was = before.status if before else None
    return was, given or was
