"""Bounds: what the worst request of every method and the worst text of every reader cost."""
