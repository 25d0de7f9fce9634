"""Failovers: what a store loses of what it acknowledged, in each way to run a store."""
