"""Run the service: `python server.py [--workers N]`; every other setting is a MATCHER_* variable."""

from __future__ import annotations

import argparse
import os
import sys


def main() -> int:
    """Serve until SIGTERM or SIGINT; return 0, or 1 with one line on stderr when the service cannot start."""
    parser = argparse.ArgumentParser(description="Run the service; `matcher config` lists its settings.")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that share the port (MATCHER_WORKERS)")
    given = parser.parse_args()
    if given.workers is not None:
        os.environ["MATCHER_WORKERS"] = str(given.workers)
    from matcher.server import app

    return app.main()


if __name__ == "__main__":
    sys.exit(main())
