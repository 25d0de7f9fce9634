"""The schema of the store: every key with its type, its lifetime and what it holds.

The braces are literal: the site is the hash tag, so all keys of a site lie on one server of a cluster. A key that
"empties" is gone when its last member is. "keep" is the setting `keep_seconds`.

| key                         | type   | lifetime             | holds                                            |
|-----------------------------|--------|----------------------|--------------------------------------------------|
| m:schema                    | string | permanent            | the version of this table that is written        |
| m:{m:schema}:processes      | hash   | 10 s; renewed        | live process → until when, what it reads         |
| m:{m:schema}:migrations     | hash   | permanent            | migration → its last part that is done, or done  |
| m:keys                      | hash   | permanent            | ids and fingerprints of the keys in use, no key  |
| m:access                    | hash   | permanent            | access key → digest, grants, times; the version  |
| m:access-used               | hash   | permanent            | access key → when it was last used               |
| m:secret                    | string | until there are keys | one key for all, where no keyring is given       |
| m:sites                     | zset   | permanent            | site ids                                         |
| m:models                    | zset   | permanent; schema 1  | fingerprints of models with vectors here         |
| m:model-names               | hash   | permanent            | fingerprint → the model's name in the settings   |
| m:model                     | string | permanent            | the fingerprint of the model in use              |
| m:forgotten                 | hash   | until a rewrite      | site with removed traces → mark of the last time |
| m:rewritten                 | string | the pause of rewrites| the process that rewrote for them last           |
| m:deleting                  | zset   | empties              | site|uid of sites that are being deleted         |
| m:waker                     | string | the waker's lease    | the process that wakes sites                     |
| m:ledger-gone               | set    | empties              | uids of removed sites with rows in the ledger    |
| m:ledger-pruner             | string | the pruner's lease   | the process that prunes the ledger               |
| m:{site}:life               | hash   | the site's           | uid, state, founder, next due, salt, praises     |
| m:{site}:pools              | zset   | the site's           | pool ids                                         |
| m:{site}:pool:<id>          | hash   | the pool's           | policy, version, times                           |
| m:{site}:members:<pool>     | set    | the pool's           | ids of the pool's agents                         |
| m:{site}:agents             | zset   | the site's           | agent ids, for pages                             |
| m:{site}:agent:<id>         | hash   | the agent's          | profile, status, capacity, idle, fence, times    |
| m:{site}:vec:<model>:<id>   | string | the agent's          | interest vectors, fp16, row by row               |
| m:{site}:lease:<agent>      | zset   | the agent's; empties | holds: reservation|channel|cost → deadline       |
| m:{site}:due                | zset   | the site's; empties  | reservation|<id> → deadline                      |
| m:{site}:offers             | zset   | the site's; empties  | with quotas: open offer → deadline               |
| m:{site}:asked              | zset   | 8 days; renewed      | with quotas: o or w|caller|offer, contact        |
| m:{site}:roster             | stream | the site's; trimmed  | changes of agents and pools                      |
| m:{site}:load               | stream | the site's; trimmed  | changes of holds, contacts and timers            |
| m:{site}:copy:<stream>      | stream | a minute             | a stream, copied without removed events          |
| m:{site}:queue              | zset   | the site's; empties  | waiting contact → start less head start          |
| m:{site}:waiting            | hash   | the site's; empties  | pool → how many wait; |contact → pool            |
| m:{site}:contacts           | zset   | the site's; empties  | contact that has not ended → start               |
| m:{site}:timers             | zset   | the site's; empties  | wait, heartbeat, idle conversation → its end     |
| m:{site}:outbox             | stream | the site's; bounded  | steps of contacts that the ledger has not yet    |
| m:{site}:audit              | stream | the site's; bounded  | changes that the audit trail has not yet         |
| m:{m:access}:audit          | stream | permanent; bounded   | the same of the access keys, beside m:access     |
| m:{m:trail}:chain           | stream | permanent; bounded   | the audit trail: chained records, digests        |
| m:{m:trail}:clear           | hash   | permanent; bounded   | record of the trail → its values in clear        |
| m:{m:trail}:head            | hash   | permanent            | last number and MAC; source → the last one taken |
| m:{m:trail}:follower        | string | the follower's lease | the process that chains                          |
| m:{site}:feeder             | string | the feeder lease's   | the process that feeds the site's ledger         |
| m:{site}:forgets            | hash   | empties              | person whose rows the ledger is to remove → stamp|
| m:{site}:dispatcher         | string | the leader lease's   | the process that offers to the queue             |
| m:{site}:auditor            | string | the audit lease's    | the process that audits the site                 |
| m:{site}:handle:<digest>    | string | the customer's       | the customer of a handle                         |
| m:{site}:customer:<id>      | hash   | what is remembered's | handles, sealed; agent → how it went             |
| m:{site}:profile:<id>       | hash   | until consent ends   | a customer's interests and vectors, sealed       |
| m:{site}:customers          | zset   | the last customer's  | customer → until when anything is remembered     |
| m:{site}:heard:<pool>:<day> | hash   | 90 days              | counts of what contacts brought up, no person    |
| m:{site}:people:<at>        | string | the day + 10 minutes | HyperLogLog of people; at: <pool>:<day>:<entry>  |
| m:{site}:salt:<day>         | string | the day + 10 minutes | the salt of that day's digests of people         |
| m:{site}:contact:<id>       | hash   | its deadline + keep  | state, pool, channel, customer, exclusions       |
| m:{site}:aside:<id>         | any    | its wait's           | a contact's record that could not be read        |
| m:{site}:outcome:<contact>  | hash   | keep                 | outcomes that were recorded lately               |
| m:{site}:praise:<id>        | hash   | praise lifetime      | a customer's words about an agent, sealed        |
| m:{site}:praised:<agent>    | zset   | the last praise's    | ids of the praise of an agent → number           |
| m:{site}:resv:<id>          | hash   | its deadline + keep  | state, agent, contact, fence, times              |
| m:{m:sites}:once:create:<id>| string | a minute             | a creation of a site, beside the list of sites   |
| m:{site}:once:<method>:<id> | string | request window       | digest of the request, ids of the answer         |
| m:{site}:decision:<id>      | hash   | decision lifetime    | the decision's record, and its outcome           |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SCHEMA: Final = "m:schema"
PROCESSES: Final = "m:{m:schema}:processes"
"""The tag is the name of SCHEMA: in a cluster one verb can read the processes and write the schema."""
MIGRATIONS: Final = "m:{m:schema}:migrations"
SECRET: Final = "m:secret"  # noqa: S105  # the name of a key, not a secret
KEYS: Final = "m:keys"
ACCESS: Final = "m:access"
ACCESS_USED: Final = "m:access-used"
SITES: Final = "m:sites"
DELETING: Final = "m:deleting"
FORGOTTEN: Final = "m:forgotten"
REWRITTEN: Final = "m:rewritten"
WAKER: Final = "m:waker"
LEDGER_GONE: Final = "m:ledger-gone"
LEDGER_PRUNER: Final = "m:ledger-pruner"
TRAIL: Final = "m:{m:trail}:chain"
TRAIL_CLEAR: Final = "m:{m:trail}:clear"
TRAIL_HEAD: Final = "m:{m:trail}:head"
TRAIL_FOLLOWER: Final = "m:{m:trail}:follower"
ACCESS_AUDIT: Final = "m:{m:access}:audit"
"""The tag is the name of ACCESS: one verb changes the keys and writes what happened."""
MODELS: Final = "m:models"
MODEL_NAMES: Final = "m:model-names"
MODEL: Final = "m:model"
DUE_RESERVATION: Final = "reservation|"
"""What a member of `due` begins with."""

TIMER_CONTACT: Final = "contact|"
TIMER_BEAT: Final = "beat|"
TIMER_IDLE: Final = "idle|"
"""What a member of `timers` begins with: a wait, a heartbeat, an idle conversation."""

PERMANENT: Final = (
    r"m:schema",
    r"m:\{m:schema\}:migrations",
    r"m:secret",
    r"m:keys",
    r"m:access",
    r"m:access-used",
    r"m:sites",
    r"m:deleting",
    r"m:ledger-gone",
    r"m:forgotten",
    r"m:models",
    r"m:model-names",
    r"m:model",
    r"m:\{[^}]+\}:(life|pools|agents|due|offers|roster|load|queue|waiting|contacts|timers|outbox|forgets|audit)",
    r"m:\{m:trail\}:(chain|clear|head)",
    r"m:\{[^}]+\}:(pool|members|agent|vec|lease):.+",
)
"""Patterns of the keys that live as long as the thing they describe; every other key has a time to live."""


def site_of(key: str) -> str:
    """Return the site of one of its keys."""
    return key[key.index("{") + 1 : key.index("}")]


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of one site's keys."""

    site: str

    def _of(self, rest: str) -> str:
        return f"m:{{{self.site}}}:{rest}"

    @property
    def pattern(self) -> str:
        """The glob that matches every key of the site."""
        return self._of("*")

    @property
    def life(self) -> str:
        """The site's own record: every verb reads it first, and none runs for a site that is being deleted."""
        return self._of("life")

    @property
    def pools(self) -> str:
        """The ids of the pools."""
        return self._of("pools")

    @property
    def agents(self) -> str:
        """The ids of the agents."""
        return self._of("agents")

    @property
    def none(self) -> str:
        """A key that nothing writes: its removal proves that the site's server takes writes."""
        return self._of("none")

    @property
    def due(self) -> str:
        """The deadlines of the reservations."""
        return self._of("due")

    @property
    def offers(self) -> str:
        """The open offers with their deadlines, where quotas count them."""
        return self._of("offers")

    @property
    def asked(self) -> str:
        """What callers have asked for and is open, where quotas count it."""
        return self._of("asked")

    @property
    def roster(self) -> str:
        """The stream of changes of agents and pools."""
        return self._of("roster")

    @property
    def load(self) -> str:
        """The stream of changes of holds, contacts and timers."""
        return self._of("load")

    def copy(self, stream: str) -> str:
        """Return the key of the copy of a stream, by the stream's key."""
        return self._of(f"copy:{stream.rpartition(':')[2]}")

    @property
    def queue(self) -> str:
        """The queue: the contacts that wait."""
        return self._of("queue")

    @property
    def waiting(self) -> str:
        """The number of waiting contacts of each pool."""
        return self._of("waiting")

    @property
    def contacts(self) -> str:
        """The contacts that have not ended."""
        return self._of("contacts")

    @property
    def timers(self) -> str:
        """The deadlines of waits, heartbeats and idle conversations."""
        return self._of("timers")

    @property
    def outbox(self) -> str:
        """The stream of the steps of contacts that the ledger has not yet."""
        return self._of("outbox")

    @property
    def audit(self) -> str:
        """The stream of the changes that the audit trail has not yet."""
        return self._of("audit")

    @property
    def feeder(self) -> str:
        """The feeder lease of the process that feeds the site's ledger."""
        return self._of("feeder")

    @property
    def forgets(self) -> str:
        """The persons whose rows the ledger is to remove."""
        return self._of("forgets")

    @property
    def dispatcher(self) -> str:
        """The leader lease of the process that offers to the queue."""
        return self._of("dispatcher")

    @property
    def auditor(self) -> str:
        """The audit lease of the process that audits the site."""
        return self._of("auditor")

    @property
    def customers(self) -> str:
        """The ids of the customers of whom anything is remembered."""
        return self._of("customers")

    def handle(self, digest: str) -> str:
        """Return the key of a customer's handle, which is named by its keyed digest."""
        return self._of(f"handle:{digest}")

    def customer(self, customer: str) -> str:
        """Return the key of a customer's handles and relationships."""
        return self._of(f"customer:{customer}")

    def profile(self, customer: str) -> str:
        """Return the key of the interests that a customer agreed to leave."""
        return self._of(f"profile:{customer}")

    def heard(self, pool: str, day: int) -> str:
        """Return the key of the counts of what a pool's contacts brought up on a day (days since 1970)."""
        return self._of(f"heard:{pool}:{day}")

    def people(self, pool: str, day: int, entry: str) -> str:
        """Return the key of the people of a pool who brought an entry up on a day."""
        return self._of(f"people:{pool}:{day}:{entry}")

    def salt(self, day: int) -> str:
        """Return the key of the salt of a day's digests of people."""
        return self._of(f"salt:{day}")

    def pool(self, pool: str) -> str:
        """Return the key of a pool."""
        return self._of(f"pool:{pool}")

    def members(self, pool: str) -> str:
        """Return the key of the set of a pool's agents."""
        return self._of(f"members:{pool}")

    def agent(self, agent: str) -> str:
        """Return the key of an agent."""
        return self._of(f"agent:{agent}")

    def vectors(self, model: str, agent: str) -> str:
        """Return the key of an agent's interest vectors of one model."""
        return self._of(f"vec:{model}:{agent}")

    def holds(self, agent: str) -> str:
        """Return the key of an agent's holds."""
        return self._of(f"lease:{agent}")

    def contact(self, contact: str) -> str:
        """Return the key of a contact."""
        return self._of(f"contact:{contact}")

    def aside(self, contact: str) -> str:
        """Return the key of a quarantined contact's former record."""
        return self._of(f"aside:{contact}")

    def outcomes(self, contact: str) -> str:
        """Return the key of the outcomes of a contact that were recorded lately."""
        return self._of(f"outcome:{contact}")

    def praise(self, praise: str) -> str:
        """Return the key of a customer's words about an agent."""
        return self._of(f"praise:{praise}")

    def praised(self, agent: str) -> str:
        """Return the key of the ids of the praise of an agent."""
        return self._of(f"praised:{agent}")

    def reservation(self, reservation: str) -> str:
        """Return the key of a reservation."""
        return self._of(f"resv:{reservation}")

    def once(self, method: str, request: str) -> str:
        """Return the key of a remembered request id."""
        return self._of(f"once:{method}:{request}")

    def decision(self, decision: str) -> str:
        """Return the key of a decision's record."""
        return self._of(f"decision:{decision}")
