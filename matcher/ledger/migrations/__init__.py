"""Migrations of the ledger's tables; `matcher.ledger.database` runs them under a lock."""
