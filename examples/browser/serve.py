"""Serves this folder beside the API, so that both are of one origin: `python serve.py [HOST:PORT [OWN PORT]]`.

A browser lets a page call only the origin that it comes from, and the gateway allows no other (there is no CORS). In
production let the server that serves your page pass /v1 on to `matcher web`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from matcher.web.app import LOOPBACK, application
from matcher.web.calls import Service

DEFAULTS = ["localhost:50051", "8081"]


def beside(gateway: ASGIApp, files: ASGIApp) -> ASGIApp:
    """Return an application with the files under /watch, and the gateway everywhere else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/watch/"):
            await files({**scope, "root_path": "/watch"}, receive, send)
        else:
            await gateway(scope, receive, send)

    return app


def main() -> None:
    """Serve until Ctrl-C."""
    target, port = [*sys.argv[1:], *DEFAULTS[len(sys.argv) - 1 :]]
    print(f"http://127.0.0.1:{port}/watch/")
    app = beside(application(Service(target), LOOPBACK), StaticFiles(directory=Path(__file__).parent, html=True))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error")


if __name__ == "__main__":
    main()
