"""Arithmetic of the match: sentences, shared words, scores and confidence. Pure."""
