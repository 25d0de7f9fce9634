"""Routing of messages to agents: encode, search, rank, reserve, and the queue."""
