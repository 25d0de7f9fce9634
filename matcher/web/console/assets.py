"""Assets: styles, scripts and pictures that come with the package, read once and named by their content."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

FOLDER: Final = Path(__file__).parent / "static"
AT: Final = "/console/static"
SERVED: Final = frozenset({".css", ".js", ".svg", ".png"})
FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that browsers get."""

    kind: str
    plain: bytes
    packed: bytes
    digest: str


class Assets:
    """All files of a folder."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._assets = {path.name: _read(path) for path in sorted(folder.iterdir()) if path.suffix in SERVED}

    def url(self, name: str) -> str:
        """Return the address of an asset; it changes with the content. Raises KeyError."""
        return f"{AT}/{name}?v={self._assets[name].digest}"

    async def serve(self, request: Request) -> Response:
        """Answer a request for an asset."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        named = request.query_params.get("v") == asset.digest
        headers = {
            "cache-control": FOREVER if named else "no-cache",
            "vary": "accept-encoding",
            "x-content-type-options": "nosniff",
        }
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.packed, headers={**headers, "content-encoding": "gzip"}, media_type=asset.kind)
        return Response(asset.plain, headers=headers, media_type=asset.kind)


def _read(path: Path) -> Asset:
    plain = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(kind, plain, gzip.compress(plain, mtime=0), hashlib.sha256(plain).hexdigest()[:12])
