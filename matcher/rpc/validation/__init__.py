"""Validation of requests: each function returns plain values, or raises every violation at once."""
