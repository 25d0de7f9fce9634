"""Migration 0002: the best affinity of a contact of a comparison, whichever arm it has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column."""
    column = sa.Column(
        "best_affinity",
        sa.Float(),
        nullable=True,
        comment="of a contact of the comparison the best affinity at the first offer, whichever its arm",
    )
    op.add_column("contacts", column)
