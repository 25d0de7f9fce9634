"""Lets `python -m matcher.cli` stand for `matcher`."""

from matcher.cli import main

main()
