"""The ledger: what became of every contact, in a relational store, by ids and numbers and without a word."""
