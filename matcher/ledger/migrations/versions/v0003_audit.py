"""Migration 0003: the audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audit_records",
        sa.Column(
            "number",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="the record's number in the chain",
        ),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when the change was made"),
        sa.Column("site", sa.String(length=128), nullable=False, comment="the site's id; empty: the access keys"),
        sa.Column(
            "text",
            sa.Text(),
            nullable=False,
            comment="the MAC, the id of its key and the record, which shows digests only",
        ),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "audit_values",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False, comment="as of audit_records"),
        sa.Column("site", sa.String(length=128), nullable=False, comment="as of audit_records"),
        sa.Column(
            "clear",
            sa.Text(),
            nullable=False,
            comment="what the record's digests stand for, each with its salt, as JSON",
        ),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("audit_values_by_site", "audit_values", ["site"])
