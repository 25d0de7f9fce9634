"""Replica of a site in memory: its agents, pools, queue and models, kept current by the change streams."""
