"""Tables of the ledger. Every time is milliseconds since 1970 by the store's clock; no column holds a word."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text

METADATA: Final = MetaData()

SITES: Final = Table(
    "sites",
    METADATA,
    Column("site_uid", String(64), primary_key=True, comment="which life of a site; a new site of the id has another"),
    Column("site", String(128), nullable=False, comment="the site's id"),
    Column("last_seq", BigInteger, nullable=False, comment="the last entry of the outbox that is committed"),
    Column("last_at", BigInteger, nullable=False, comment="when that entry was written"),
    Column("gone_at", BigInteger, comment="when the rows of the removed site began to go; nothing is added since"),
)
"""One row a life of a site: how far its ledger goes."""

CONTACTS: Final = Table(
    "contacts",
    METADATA,
    Column("site_uid", String(64), primary_key=True, comment="the life of the site"),
    Column("contact", String(128), primary_key=True, comment="the contact's id"),
    Column("born", BigInteger, primary_key=True, comment="when this life of the contact began"),
    Column("customer", String(128), comment="a keyed digest of the customer's handle; none: no customer was named"),
    Column("channel", String(64), comment="the contact's channel"),
    Column("pool", String(128), comment="the pool of the first offer, or where the contact waits first"),
    Column("arm", String(32), comment="the arm of the comparison"),
    Column("probability", Float, comment="how likely that arm was"),
    Column("part", String(64), comment="whether the contact takes part in the comparison, or why not"),
    Column("would_be_agent", String(128), comment="whom the other rule would have chosen"),
    Column("would_be_basis", String(32), comment="the basis that the contact would have had in treatment"),
    Column("would_be_affinity", Float, comment="the affinity of that agent"),
    Column("basis", String(32), comment="why that agent, at the first offer"),
    Column("affinity", Float, comment="of the agent of the first offer"),
    Column("margin", Float, comment="the best affinity less the next best, at the first offer"),
    Column(
        "best_affinity",
        Float,
        comment="of a contact of the comparison the best affinity at the first offer, whichever its arm",
    ),
    Column("utilization", Float, comment="the load over the capacity of the agent of the first offer, before it"),
    Column("model", String(64), comment="the fingerprint of the model"),
    Column("scorer", String(64), comment="the fingerprint of the scorer"),
    Column("offered_at", BigInteger, comment="when the contact was offered first"),
    Column("waited_ms", BigInteger, comment="from its beginning until then"),
    Column("agent", String(128), comment="who accepted the contact last; before that, to whom it is offered"),
    Column("accepted_at", BigInteger, comment="when an agent accepted it first"),
    Column("assigned_by_hand", Integer, nullable=False, comment="how often a supervisor assigned the contact"),
    Column("offers", Integer, nullable=False, comment="offers and assignments"),
    Column("transfers", Integer, nullable=False, comment="transfers that another agent took"),
    Column("state", String(32), nullable=False, comment="the state after the last step"),
    Column("cause", String(32), nullable=False, comment="and its cause"),
    Column("ended_at", BigInteger, comment="when the contact was closed, canceled or expired"),
    Column("sequence", Integer, nullable=False, comment="the number of the last step, in the contact's own history"),
    Column("last_at", BigInteger, nullable=False, comment="when that was; rows are pruned by it"),
    Index("contacts_by_last", "last_at"),
    Index("contacts_by_customer", "site_uid", "customer"),
    Index("contacts_by_born", "site_uid", "born"),
)
"""One row a life of a contact: what became of it."""

STEPS: Final = Table(
    "steps",
    METADATA,
    Column("site_uid", String(64), primary_key=True, comment="the life of the site"),
    Column("contact", String(128), primary_key=True, comment="the contact's id"),
    Column("born", BigInteger, primary_key=True, comment="when this life of the contact began"),
    Column("seq", BigInteger, primary_key=True, autoincrement=False, comment="the entry's number in the outbox"),
    Column("at", BigInteger, nullable=False, comment="when the step was taken"),
    Column("kind", String(32), nullable=False, comment="the cause of the step, or UNMATCHED"),
    Column("state", String(32), nullable=False, comment="the contact's state after it; empty for UNMATCHED"),
    Column("sequence", Integer, nullable=False, comment="the number of the step in the contact's own history"),
    Column("pool", String(128), nullable=False, comment="the pool of the contact then"),
    Column("reservation", String(128), nullable=False, comment="the reservation, where the step has one"),
    Column("agent", String(128), nullable=False, comment="the agent, where the step has one"),
    Column("facts", Text, nullable=False, comment="what is known of the choice: 'name=value;' one after another"),
    Index("steps_by_seq", "site_uid", "seq"),
    Index("steps_by_at", "at"),
)
"""One row a step of a contact's life, and one an unmatched answer."""

OUTCOMES: Final = Table(
    "outcomes",
    METADATA,
    Column("site_uid", String(64), primary_key=True, comment="the life of the site"),
    Column("contact", String(128), primary_key=True, comment="the contact's id"),
    Column("born", BigInteger, primary_key=True, comment="when this life of the contact began"),
    Column("source", String(64), primary_key=True, comment="who says so; agent: the agent who completed the contact"),
    Column(
        "kind", String(128), primary_key=True, comment="resolved, csat, nps, recommended, returned_within, metrics.*"
    ),
    Column("value", Float, nullable=False, comment="the value"),
    Column("observed_at", BigInteger, nullable=False, comment="when it was seen"),
    Column("recorded_at", BigInteger, nullable=False, comment="when it was recorded"),
    Column("seq", BigInteger, nullable=False, comment="the entry that said so last"),
    Column("place", String(128), comment="where a recommendation was seen"),
)
"""One row an outcome: the latest value of a source."""

CORRECTIONS: Final = Table(
    "corrections",
    METADATA,
    Column("site_uid", String(64), primary_key=True, comment="the life of the site"),
    Column("contact", String(128), primary_key=True, comment="the contact's id"),
    Column("born", BigInteger, primary_key=True, comment="when this life of the contact began"),
    Column("source", String(64), primary_key=True, comment="who said so"),
    Column("kind", String(128), primary_key=True, comment="as of outcomes"),
    Column("seq", BigInteger, primary_key=True, autoincrement=False, comment="the entry that said the former value"),
    Column("value", Float, nullable=False, comment="the former value"),
    Column("observed_at", BigInteger, nullable=False, comment="when it was seen"),
    Column("recorded_at", BigInteger, nullable=False, comment="when it was recorded"),
    Column("place", String(128), comment="as of outcomes"),
)
"""One row a former value of an outcome that was corrected."""

GAPS: Final = Table(
    "gaps",
    METADATA,
    Column("site_uid", String(64), primary_key=True, comment="the life of the site"),
    Column("first_seq", BigInteger, primary_key=True, autoincrement=False, comment="the first entry that is missing"),
    Column("last_seq", BigInteger, nullable=False, comment="the last entry that is missing"),
    Column("lost", BigInteger, nullable=False, comment="how many entries are missing"),
    Column("from_at", BigInteger, nullable=False, comment="when the entry before them was written; 0: there was none"),
    Column("to_at", BigInteger, nullable=False, comment="when the entry after them was written"),
)
"""One row a stretch of entries that the outbox lost before they were committed, because it was full."""

AUDIT_RECORDS: Final = Table(
    "audit_records",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="the record's number in the chain"),
    Column("at", BigInteger, nullable=False, comment="when the change was made"),
    Column("site", String(128), nullable=False, comment="the site's id; empty: the access keys"),
    Column("text", Text, nullable=False, comment="the MAC, the id of its key and the record, which shows digests only"),
)
"""One row a change: the audit trail of the service, chained by MACs. Rows are never changed."""

AUDIT_VALUES: Final = Table(
    "audit_values",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="as of audit_records"),
    Column("site", String(128), nullable=False, comment="as of audit_records"),
    Column("clear", Text, nullable=False, comment="what the record's digests stand for, each with its salt, as JSON"),
    Index("audit_values_by_site", "site"),
)
"""One row a record some of whose values are not forgotten."""

OF_CONTACTS: Final = (STEPS, OUTCOMES, CORRECTIONS, CONTACTS)
"""The tables with rows of contacts, the row of the contact itself last."""
