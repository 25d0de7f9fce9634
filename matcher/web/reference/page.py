"""The page /docs: the description of the API as one document of HTML, without a script and from this process alone."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER: Final = Path(__file__).parent
POLICY: Final = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_CODE: Final = re.compile(r"`([^`]+)`")


class Page:
    """The page of a description, made once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        style = (FOLDER / "page.css").read_bytes()
        self._style = f"/docs/page.css?v={hashlib.sha256(style).hexdigest()[:12]}"
        self._files = {"page.css": (style, gzip.compress(style, mtime=0))}
        page = _rendered(document, self._style).encode()
        self._page = (page, gzip.compress(page, mtime=0))

    def routes(self) -> list[Route]:
        """Return the page and its style."""
        return [Route("/docs", self._show), Route("/docs/page.css", self._show_style)]

    async def _show(self, request: Request) -> Response:
        return _answer(request, self._page, "text/html", "no-cache")

    async def _show_style(self, request: Request) -> Response:
        return _answer(request, self._files["page.css"], "text/css", "public, max-age=31536000, immutable")


def _answer(request: Request, content: tuple[bytes, bytes], kind: str, cache: str) -> Response:
    packs = "gzip" in request.headers.get("accept-encoding", "")
    headers = {
        "cache-control": cache,
        "content-security-policy": POLICY,
        "referrer-policy": "no-referrer",
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff",
        **({"content-encoding": "gzip"} if packs else {}),
    }
    return Response(content[packs], headers=headers, media_type=kind)


def _rendered(document: Mapping[str, Any], style: str) -> str:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = _prose
    environment.filters["kind"] = _kind
    return environment.get_template("page.html").render(document=document, services=_services(document), style=style)


def _services(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each service with its operations, in the order of the document."""
    found = {tag["name"]: {**tag, "operations": []} for tag in document["tags"]}
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            found[operation["tags"][0]]["operations"].append({"verb": verb.upper(), "path": path, **operation})
    return list(found.values())


def _prose(text: str) -> Markup:
    """Return a comment as HTML: words in backticks as code, lines that begin with "- " as they are."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))).replace("\n- ", "<br>"))  # noqa: S704 it is escaped


def _kind(schema: Mapping[str, Any]) -> Markup:
    """Return the kind of a value in a word, with a link where it is described."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#{0}">{0}</a>').format(name)
    if schema.get("type") == "array":
        return Markup("list of {}").format(_kind(schema["items"]))
    if isinstance(schema.get("additionalProperties"), dict):
        return Markup("names with {}").format(_kind(schema["additionalProperties"]))
    kind = schema["type"]
    words = {"date-time": "time", "int64": "whole number, as text", "uint64": "whole number, as text"}
    return Markup("{}").format(words.get(schema.get("format", ""), kind if isinstance(kind, str) else kind[0]))
