"""Migration 0001: the first tables of the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "contacts",
        sa.Column("site_uid", sa.String(length=64), nullable=False, comment="the life of the site"),
        sa.Column("contact", sa.String(length=128), nullable=False, comment="the contact's id"),
        sa.Column("born", sa.BigInteger(), nullable=False, comment="when this life of the contact began"),
        sa.Column(
            "customer",
            sa.String(length=128),
            nullable=True,
            comment="a keyed digest of the customer's handle; none: no customer was named",
        ),
        sa.Column("channel", sa.String(length=64), nullable=True, comment="the contact's channel"),
        sa.Column(
            "pool",
            sa.String(length=128),
            nullable=True,
            comment="the pool of the first offer, or where the contact waits first",
        ),
        sa.Column("arm", sa.String(length=32), nullable=True, comment="the arm of the comparison"),
        sa.Column("probability", sa.Float(), nullable=True, comment="how likely that arm was"),
        sa.Column(
            "part",
            sa.String(length=64),
            nullable=True,
            comment="whether the contact takes part in the comparison, or why not",
        ),
        sa.Column(
            "would_be_agent", sa.String(length=128), nullable=True, comment="whom the other rule would have chosen"
        ),
        sa.Column(
            "would_be_basis",
            sa.String(length=32),
            nullable=True,
            comment="the basis that the contact would have had in treatment",
        ),
        sa.Column("would_be_affinity", sa.Float(), nullable=True, comment="the affinity of that agent"),
        sa.Column("basis", sa.String(length=32), nullable=True, comment="why that agent, at the first offer"),
        sa.Column("affinity", sa.Float(), nullable=True, comment="of the agent of the first offer"),
        sa.Column(
            "margin", sa.Float(), nullable=True, comment="the best affinity less the next best, at the first offer"
        ),
        sa.Column(
            "utilization",
            sa.Float(),
            nullable=True,
            comment="the load over the capacity of the agent of the first offer, before it",
        ),
        sa.Column("model", sa.String(length=64), nullable=True, comment="the fingerprint of the model"),
        sa.Column("scorer", sa.String(length=64), nullable=True, comment="the fingerprint of the scorer"),
        sa.Column("offered_at", sa.BigInteger(), nullable=True, comment="when the contact was offered first"),
        sa.Column("waited_ms", sa.BigInteger(), nullable=True, comment="from its beginning until then"),
        sa.Column(
            "agent",
            sa.String(length=128),
            nullable=True,
            comment="who accepted the contact last; before that, to whom it is offered",
        ),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True, comment="when an agent accepted it first"),
        sa.Column(
            "assigned_by_hand", sa.Integer(), nullable=False, comment="how often a supervisor assigned the contact"
        ),
        sa.Column("offers", sa.Integer(), nullable=False, comment="offers and assignments"),
        sa.Column("transfers", sa.Integer(), nullable=False, comment="transfers that another agent took"),
        sa.Column("state", sa.String(length=32), nullable=False, comment="the state after the last step"),
        sa.Column("cause", sa.String(length=32), nullable=False, comment="and its cause"),
        sa.Column(
            "ended_at", sa.BigInteger(), nullable=True, comment="when the contact was closed, canceled or expired"
        ),
        sa.Column(
            "sequence",
            sa.Integer(),
            nullable=False,
            comment="the number of the last step, in the contact's own history",
        ),
        sa.Column("last_at", sa.BigInteger(), nullable=False, comment="when that was; rows are pruned by it"),
        sa.PrimaryKeyConstraint("site_uid", "contact", "born"),
    )
    op.create_index("contacts_by_born", "contacts", ["site_uid", "born"], unique=False)
    op.create_index("contacts_by_customer", "contacts", ["site_uid", "customer"], unique=False)
    op.create_index("contacts_by_last", "contacts", ["last_at"], unique=False)
    op.create_table(
        "corrections",
        sa.Column("site_uid", sa.String(length=64), nullable=False, comment="the life of the site"),
        sa.Column("contact", sa.String(length=128), nullable=False, comment="the contact's id"),
        sa.Column("born", sa.BigInteger(), nullable=False, comment="when this life of the contact began"),
        sa.Column("source", sa.String(length=64), nullable=False, comment="who said so"),
        sa.Column("kind", sa.String(length=128), nullable=False, comment="as of outcomes"),
        sa.Column(
            "seq", sa.BigInteger(), autoincrement=False, nullable=False, comment="the entry that said the former value"
        ),
        sa.Column("value", sa.Float(), nullable=False, comment="the former value"),
        sa.Column("observed_at", sa.BigInteger(), nullable=False, comment="when it was seen"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False, comment="when it was recorded"),
        sa.Column("place", sa.String(length=128), nullable=True, comment="as of outcomes"),
        sa.PrimaryKeyConstraint("site_uid", "contact", "born", "source", "kind", "seq"),
    )
    op.create_table(
        "gaps",
        sa.Column("site_uid", sa.String(length=64), nullable=False, comment="the life of the site"),
        sa.Column(
            "first_seq", sa.BigInteger(), autoincrement=False, nullable=False, comment="the first entry that is missing"
        ),
        sa.Column("last_seq", sa.BigInteger(), nullable=False, comment="the last entry that is missing"),
        sa.Column("lost", sa.BigInteger(), nullable=False, comment="how many entries are missing"),
        sa.Column(
            "from_at",
            sa.BigInteger(),
            nullable=False,
            comment="when the entry before them was written; 0: there was none",
        ),
        sa.Column("to_at", sa.BigInteger(), nullable=False, comment="when the entry after them was written"),
        sa.PrimaryKeyConstraint("site_uid", "first_seq"),
    )
    op.create_table(
        "outcomes",
        sa.Column("site_uid", sa.String(length=64), nullable=False, comment="the life of the site"),
        sa.Column("contact", sa.String(length=128), nullable=False, comment="the contact's id"),
        sa.Column("born", sa.BigInteger(), nullable=False, comment="when this life of the contact began"),
        sa.Column(
            "source",
            sa.String(length=64),
            nullable=False,
            comment="who says so; agent: the agent who completed the contact",
        ),
        sa.Column(
            "kind",
            sa.String(length=128),
            nullable=False,
            comment="resolved, csat, nps, recommended, returned_within, metrics.*",
        ),
        sa.Column("value", sa.Float(), nullable=False, comment="the value"),
        sa.Column("observed_at", sa.BigInteger(), nullable=False, comment="when it was seen"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False, comment="when it was recorded"),
        sa.Column("seq", sa.BigInteger(), nullable=False, comment="the entry that said so last"),
        sa.Column("place", sa.String(length=128), nullable=True, comment="where a recommendation was seen"),
        sa.PrimaryKeyConstraint("site_uid", "contact", "born", "source", "kind"),
    )
    op.create_table(
        "sites",
        sa.Column(
            "site_uid",
            sa.String(length=64),
            nullable=False,
            comment="which life of a site; a new site of the id has another",
        ),
        sa.Column("site", sa.String(length=128), nullable=False, comment="the site's id"),
        sa.Column(
            "last_seq", sa.BigInteger(), nullable=False, comment="the last entry of the outbox that is committed"
        ),
        sa.Column("last_at", sa.BigInteger(), nullable=False, comment="when that entry was written"),
        sa.Column(
            "gone_at",
            sa.BigInteger(),
            nullable=True,
            comment="when the rows of the removed site began to go; nothing is added since",
        ),
        sa.PrimaryKeyConstraint("site_uid"),
    )
    op.create_table(
        "steps",
        sa.Column("site_uid", sa.String(length=64), nullable=False, comment="the life of the site"),
        sa.Column("contact", sa.String(length=128), nullable=False, comment="the contact's id"),
        sa.Column("born", sa.BigInteger(), nullable=False, comment="when this life of the contact began"),
        sa.Column(
            "seq", sa.BigInteger(), autoincrement=False, nullable=False, comment="the entry's number in the outbox"
        ),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when the step was taken"),
        sa.Column("kind", sa.String(length=32), nullable=False, comment="the cause of the step, or UNMATCHED"),
        sa.Column(
            "state", sa.String(length=32), nullable=False, comment="the contact's state after it; empty for UNMATCHED"
        ),
        sa.Column(
            "sequence", sa.Integer(), nullable=False, comment="the number of the step in the contact's own history"
        ),
        sa.Column("pool", sa.String(length=128), nullable=False, comment="the pool of the contact then"),
        sa.Column(
            "reservation", sa.String(length=128), nullable=False, comment="the reservation, where the step has one"
        ),
        sa.Column("agent", sa.String(length=128), nullable=False, comment="the agent, where the step has one"),
        sa.Column(
            "facts", sa.Text(), nullable=False, comment="what is known of the choice: 'name=value;' one after another"
        ),
        sa.PrimaryKeyConstraint("site_uid", "contact", "born", "seq"),
    )
    op.create_index("steps_by_at", "steps", ["at"], unique=False)
    op.create_index("steps_by_seq", "steps", ["site_uid", "seq"], unique=False)
