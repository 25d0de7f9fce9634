"""Listening: counts which interests and service themes customers bring up, without keeping a word of theirs."""
