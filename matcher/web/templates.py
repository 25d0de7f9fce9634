"""Path templates of google.api.http (https://google.aip.dev/127), parsed and matched.

A path is split before anything of it is decoded, so that "%2F" never makes a segment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

_PIECE: Final = re.compile(r"\{([a-z0-9_.]+)(?:=([^{}]*))?\}|[^/{}:]+")
_SLASH: Final = re.compile(r"%2[Ff]")


class TemplateMalformed(Exception):
    """A rule of the protos has a template that this parser does not take."""


class PathMalformed(Exception):
    """A path has an escape that is not UTF-8."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A field of the request that some segments of the path give."""

    field: str
    first: int
    end: int
    whole: bool
    """Whether the variable is one whole segment, "{id}": then "%2F" in it is a "/"."""

    def read(self, segments: Sequence[str]) -> str:
        """Return the value that a path gives to the field. Raises PathMalformed."""
        text = "/".join(segments[self.first : self.end])
        return decoded(text) if self.whole else "%2F".join(decoded(part) for part in _SLASH.split(text))


@dataclass(frozen=True, slots=True)
class Template:
    """A path with variables: literal segments, wildcards (None), and a custom verb behind the last ":", or ""."""

    segments: tuple[str | None, ...]
    variables: tuple[Variable, ...]
    verb: str

    def fits(self, segments: Sequence[str]) -> bool:
        """Return whether the segments of a path, still encoded, are those of this template."""
        return len(segments) == len(self.segments) and all(
            found == wanted if wanted is not None else found
            for found, wanted in zip(segments, self.segments, strict=True)
        )


def parse(text: str) -> Template:
    """Return the template of a text such as "/v1/{name=sites/*/agents/*}:beat". Raises TemplateMalformed."""
    segments: list[str | None] = []
    variables: list[Variable] = []
    at = 0
    while at < len(text) and text[at] == "/":
        piece = _PIECE.match(text, at + 1)
        if piece is None:
            raise TemplateMalformed(text)
        field, pattern = piece[1], piece[2]
        first = len(segments)
        for segment in ((pattern or "*") if field else piece[0]).split("/"):
            if "**" in segment:
                raise TemplateMalformed(text)
            segments.append(None if segment == "*" else segment)
        if field:
            variables.append(Variable(field, first, len(segments), whole=pattern in (None, "*")))
        at = piece.end()
    verb = text[at + 1 :] if text[at : at + 1] == ":" else ""
    if at < len(text) and not verb.isalnum():
        raise TemplateMalformed(text)
    return Template(tuple(segments), tuple(variables), verb)


def decoded(text: str) -> str:
    """Return a part of a path without its escapes. Raises PathMalformed."""
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise PathMalformed(text) from None
