"""The planted bugs of what a platform asks beside routes, and of what the service keeps on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.chaos.patches import LUA, Bug, Edit, bug
from benchmarks.chaos.verdict import Law

_REPLICA: Final = "matcher/replica/site_replica.py"
_TELL: Final = "        await self.losses.compare(self.heard_at, another=another)\n"

OF_ERRANDS: Final[Mapping[str, Bug]] = {
    "a key that was revoked still counts": bug(
        "matcher/auth/key_cache.py",
        "    if key.revoked_ms:\n        return CredentialsRevoked(_KEY)\n",
        "",
        "errands",
        Law.REVOKED,
    ),
    "a new key is known to one process only": bug(
        "matcher/auth/key_cache.py",
        "        if self._version is None or await self._source.version() != self._version:\n",
        "        if self._version is None:\n",
        "errands",
        Law.REVOKED,
    ),
    "a customer who was forgotten is still known": bug(
        "matcher/rpc/customer_servicer.py",
        "await self._forgetting.forget_handle(site, handle, force=request.force)",
        "pass",
        "errands",
        Law.FORGOTTEN,
    ),
    "the ledger keeps a customer who was forgotten": bug(
        "matcher/services/forgetting.py",
        "        await self._outbox.note_forgets(site, digests | named)\n",
        "",
        "errands",
        Law.FORGOTTEN,
    ),
    "the ledger misses steps": bug(
        "matcher/ledger/writer.py",
        "told = [step for step in steps if step.kind != OUTCOME]",
        "told = [step for step in steps if step.kind != OUTCOME and step.number % 5]",
        "plain",
        Law.LEDGER,
    ),
    "the ledger names another agent": bug(
        "matcher/ledger/writer.py",
        '        "agent": step.agent,\n',
        '        "agent": step.agent and "north-a0",\n',
        "plain",
        Law.LEDGER,
    ),
    "a corrected outcome does not count": bug(
        "matcher/model/outcomes.py",
        "if before is None or outcome.source != AGENT_SOURCE or before.source == AGENT_SOURCE:",
        "if before is None:",
        "errands",
        Law.LEDGER,
    ),
    "a body beyond the limit is read": bug(
        "matcher/rpc/body_limits.py", "ROUTE_BYTES: Final = 512 * KIB", "ROUTE_BYTES: Final = 512 * MIB", "errands",
        Law.BOUND,
    ),
    "a site that is created again has the agents of the one before": Bug(
        (
            Edit("matcher/store/sites.py", "while await self._erase_all(deletion):\n", "while False:\n"),
            Edit(
                f"{LUA}/found_site.lua",
                "redis.call('EXISTS', key.pools, key.agents, key.contacts, key.roster) > 0",
                "false",
            ),
        ),
        "errands",
        frozenset({Law.DELETED}),
    ),
    "a loss is not told": bug(_REPLICA, _TELL, "", "set back", Law.GONE, Law.LOST),
    "a loss is told late": bug(
        _REPLICA,
        _TELL,
        "        asyncio.get_running_loop().call_later(\n"
        "            8.0, lambda: setattr(self, 'late', asyncio.create_task(\n"
        "                self.losses.compare(time.monotonic(), another=another)))\n"
        "        )\n",
        "set back",
        Law.UNREPORTED,
        Law.GONE,
    ),
}  # fmt: skip
"""Each bug by what a person would see of it."""
