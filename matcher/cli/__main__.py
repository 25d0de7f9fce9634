"""Entry point of `python -m matcher.cli`, which does the same as `matcher`."""

from matcher.cli import main

main()
