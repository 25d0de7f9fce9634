"""Run the service: settings, application, serve until told to stop."""

from __future__ import annotations

import asyncio
import sys

from matcher.errors import MatcherError


def main() -> int:
    """Serve until SIGTERM or SIGINT; return 0, or 1 with one line on stderr when the service cannot start."""
    # Imported here so that a setting that is wrong is said before the model's libraries are loaded.
    from matcher import config

    try:
        settings = config.load()
        from matcher.app import serve

        asyncio.run(serve(settings))
    except MatcherError as fault:
        print(f"matcher: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
