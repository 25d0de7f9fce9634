"""Ranking of candidates for one message, and assignment of several contacts at once. Pure."""
