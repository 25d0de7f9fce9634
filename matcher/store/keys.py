"""Every key of the store: its name, type and lifetime.

The braces are literal: the site is the hash tag, so all keys of a site lie on one node of a cluster.

| key                              | type   | lifetime                | holds                                        |
|----------------------------------|--------|-------------------------|----------------------------------------------|
| m:schema                         | string | permanent               | the version of this table                    |
| m:secret                         | string | permanent               | the key of digests, where no setting gives it|
| m:sites                          | zset   | permanent               | site ids                                     |
| m:models                         | zset   | permanent               | fingerprints of the models with vectors here |
| m:model-names                    | hash   | permanent               | fingerprint → the model as settings named it |
| m:model                          | string | permanent               | the fingerprint of the model that answers    |
| m:{site}:pools                   | zset   | the site's              | pool ids                                     |
| m:{site}:pool:<id>               | hash   | the pool's              | policy, version, times                       |
| m:{site}:members:<pool>          | set    | the pool's              | ids of the agents in it                      |
| m:{site}:agents                  | zset   | the site's              | agent ids, for pages                         |
| m:{site}:agent:<id>              | hash   | the agent's             | profile, status, capacity, idle, fence, times|
| m:{site}:vec:<model>:<id>        | string | the agent's             | interest vectors, fp16, row by row           |
| m:{site}:lease:<agent>           | zset   | the agent's; empties    | reservation|channel|cost → deadline          |
| m:{site}:due                     | zset   | the site's; empties     | what lapses → deadline                       |
| m:{site}:roster, m:{site}:load   | stream | the site's; trimmed     | what changed                                 |
| m:{site}:queue                   | zset   | the site's; empties     | contacts that wait → beginning less head start|
| m:{site}:waiting                 | hash   | the site's; empties     | pool → how many wait in it; |contact → pool  |
| m:{site}:contacts                | zset   | the site's; empties     | contacts that have not ended → beginning     |
| m:{site}:timers                  | zset   | the site's; empties     | waits, heartbeats, idle talks → when they end|
| m:{site}:dispatcher              | string | the lease               | which process offers to those who wait       |
| m:{site}:handle:<digest>         | string | as long as led back     | a handle's customer                          |
| m:{site}:customer:<id>           | hash   | as long as led back     | agent → how it went, until when it counts    |
| m:{site}:contact:<id>            | hash   | its deadline + keep     | state, pool, channel, customer, exclusions   |
| m:{site}:resv:<id>               | hash   | its deadline + keep     | state, agent, contact, fence, times          |
| m:{site}:once:<method>:<id>      | string | request window          | digest of the request, ids of the answer     |
| m:{site}:decision:<id>           | hash   | decision lifetime       | the record, and what it led to               |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SCHEMA_VERSION: Final = "1"
SCHEMA: Final = "m:schema"
SECRET: Final = "m:secret"  # noqa: S105  # the name of a key, not a secret
SITES: Final = "m:sites"
MODELS: Final = "m:models"
MODEL_NAMES: Final = "m:model-names"
MODEL: Final = "m:model"
DUE_RESERVATION: Final = "reservation|"

TIMER_CONTACT: Final = "contact|"
TIMER_BEAT: Final = "beat|"
TIMER_IDLE: Final = "idle|"

PERMANENT: Final = (
    r"m:schema",
    r"m:secret",
    r"m:sites",
    r"m:models",
    r"m:model-names",
    r"m:model",
    r"m:\{[^}]+\}:(pools|agents|due|roster|load|queue|waiting|contacts|timers)",
    r"m:\{[^}]+\}:(pool|members|agent|vec|lease):.+",
)
"""Patterns of the keys that live as long as what they describe; every other key has a lifetime."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Name the keys of one site."""

    site: str

    def _of(self, rest: str) -> str:
        return f"m:{{{self.site}}}:{rest}"

    @property
    def pattern(self) -> str:
        """Return the glob that matches every key of the site."""
        return self._of("*")

    @property
    def pools(self) -> str:
        """Name the list of pools."""
        return self._of("pools")

    @property
    def agents(self) -> str:
        """Name the list of agents."""
        return self._of("agents")

    @property
    def due(self) -> str:
        """Name the deadlines."""
        return self._of("due")

    @property
    def roster(self) -> str:
        """Name the stream of changed agents and pools."""
        return self._of("roster")

    @property
    def load(self) -> str:
        """Name the stream of slots held and freed."""
        return self._of("load")

    @property
    def queue(self) -> str:
        """Name the queue of contacts that wait."""
        return self._of("queue")

    @property
    def waiting(self) -> str:
        """Name the counts of those who wait, by pool."""
        return self._of("waiting")

    @property
    def contacts(self) -> str:
        """Name the list of contacts that have not ended."""
        return self._of("contacts")

    @property
    def timers(self) -> str:
        """Name the deadlines of waits, heartbeats and idle conversations."""
        return self._of("timers")

    @property
    def dispatcher(self) -> str:
        """Name the lease of the process that offers to those who wait."""
        return self._of("dispatcher")

    def handle(self, digest: str) -> str:
        """Name a handle of a customer, by its keyed digest."""
        return self._of(f"handle:{digest}")

    def customer(self, customer: str) -> str:
        """Name what is known of a customer."""
        return self._of(f"customer:{customer}")

    def pool(self, pool: str) -> str:
        """Name a pool."""
        return self._of(f"pool:{pool}")

    def members(self, pool: str) -> str:
        """Name the set of a pool's agents."""
        return self._of(f"members:{pool}")

    def agent(self, agent: str) -> str:
        """Name an agent."""
        return self._of(f"agent:{agent}")

    def vectors(self, model: str, agent: str) -> str:
        """Name an agent's interest vectors by one model."""
        return self._of(f"vec:{model}:{agent}")

    def holds(self, agent: str) -> str:
        """Name the holds of an agent."""
        return self._of(f"lease:{agent}")

    def contact(self, contact: str) -> str:
        """Name a contact."""
        return self._of(f"contact:{contact}")

    def reservation(self, reservation: str) -> str:
        """Name a reservation."""
        return self._of(f"resv:{reservation}")

    def once(self, method: str, request: str) -> str:
        """Name the memory of a request."""
        return self._of(f"once:{method}:{request}")

    def decision(self, decision: str) -> str:
        """Name a decision's record."""
        return self._of(f"decision:{decision}")
