"""Reader of a mail's HTML: its text, and where each sign of the text stands in the HTML.

The standard library's `html.parser` has positions, too, but takes 28 s for 64,000 characters of "<a " (Python 3.11),
and a customer can send that. This reader looks at each character a bounded number of times.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Final

from matcher.affinity.set_aside.tags import BLOCKS, RAW, VOID, aside_kind, attributes
from matcher.model import AsideKind, SetAside, Stretch

_MARK: Final = re.compile(r"[<&]")
_NAME: Final = re.compile(r"</?([a-zA-Z][^\s/>]{0,60})")
# A quote begins a value only behind an equals sign: "<p title=don't>".
_IN_TAG: Final = re.compile(r">|=\s*+([\"'])")
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[a-zA-Z][a-zA-Z0-9]{1,31});?")
_SPACES: Final = re.compile(r"[ \t\r\n\f]{2,}+|[\t\r\n\f]")


_NOTHING: Final = Stretch(-1, -1, 0)


class Unaligned(Exception):
    """The HTML is so broken that the places of its words cannot be told."""


@dataclass(slots=True)
class Page:
    """The text of a page, with the stretches of the HTML that it comes from; together they make the text."""

    parts: list[str] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)


@dataclass(slots=True)
class _Skipped:
    """An element that is set aside, and how many elements of its name are open inside."""

    name: str
    kind: AsideKind
    start: int
    depth: int = 1


def read_page(source: str) -> Page:
    """Read the text of a page. Raises Unaligned where a tag never ends."""
    return _Reader(source).read()


class _Reader:
    """Read one page from its beginning to its end."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._page = Page()
        self._skipped: _Skipped | None = None
        self._fresh = True
        """Whether the text is at the start of a line."""
        self._preformatted = 0

    def read(self) -> Page:
        source, at = self._source, 0
        while at < len(source):
            mark = _MARK.search(source, at)
            begin = mark.start() if mark else len(source)
            if begin > at:
                self._text(at, begin)
                at = begin
            elif source[at] == "&":
                entity = _ENTITY.match(source, at)
                at = self._put(at, entity.end() if entity else at + 1)
            elif name := _NAME.match(source, at):
                at = self._tag(at, name)
            else:
                at = self._declaration(at)
        if self._skipped is not None:
            self._aside(self._skipped.kind, self._skipped.start, len(source))
        return self._page

    def _put(self, start: int, end: int, text: str | None = None) -> int:
        """Add a piece of text, and return its end; text None: what stands there, with its entities read."""
        if self._skipped is None and start < end:
            text = html.unescape(self._source[start:end]) if text is None else text
            self._page.parts.append(text)
            stretches, length = self._page.stretches, len(text)
            before = stretches[-1] if stretches else _NOTHING
            if before.end == start and before.length == start - before.start and length == end - start:
                stretches[-1] = Stretch(before.start, end, before.length + length)
            else:
                stretches.append(Stretch(start, end, length))
            self._fresh = text == "\n"
        return end

    def _aside(self, kind: AsideKind, start: int, end: int) -> None:
        self._page.set_aside.append(SetAside(kind, start, end))

    def _text(self, start: int, end: int) -> None:
        """Add text between tags: a run of spaces and line breaks counts as one space, none at the start of a line."""
        source, at = self._source, start
        if self._preformatted:
            self._put(start, end, source[start:end])
            return
        for spaces in _SPACES.finditer(source, start, end):
            self._put(at, spaces.start(), source[at : spaces.start()])
            if not self._fresh:
                self._put(*spaces.span(), " ")
            at = spaces.end()
        self._put(at, end, source[at:end])

    def _declaration(self, at: int) -> int:
        """Read a comment, a declaration or an instruction, or a "<" that begins none; return its end."""
        source = self._source
        if source.startswith("<!--", at):
            end = source.find("-->", at + 2) + 3
        elif source.startswith(("<!", "<?", "</"), at):
            end = source.find(">", at) + 1
        else:  # "<3", "a < b"
            return self._put(at, at + 1, "<")
        end = end if end > at else len(source)
        if self._skipped is None:
            self._aside(AsideKind.MARKUP, at, end)
        return end

    def _tag(self, at: int, found: re.Match[str]) -> int:
        """Read a tag; return its end."""
        source = self._source
        end = self._tag_end(found.end())
        if not end:
            return self._put(at, at + 1, "<")
        name, closes = found.group(1).lower(), source[at + 1] == "/"
        alone = name in VOID or source[end - 2] == "/"
        if self._skipped is not None:
            if name == self._skipped.name and not alone:
                self._skipped.depth += -1 if closes else 1
            if not self._skipped.depth:
                self._aside(self._skipped.kind, self._skipped.start, end)
                self._skipped = None
            return end
        kind = None if closes or alone else aside_kind(name, attributes(source[at:end]))
        if name == "br" or (name in BLOCKS and not self._fresh):
            self._put(at, end, "\n")
        if name == "pre":
            self._preformatted = max(0, self._preformatted + (-1 if closes else 1))
        if kind is None:
            self._aside(AsideKind.MARKUP, at, end)
        elif name in RAW:
            end_tag = re.compile(rf"</{re.escape(name)}[^>]{{0,200}}>", re.IGNORECASE).search(source, end)
            end = end_tag.end() if end_tag else len(source)
            self._aside(kind, at, end)
        else:
            self._skipped = _Skipped(name, kind, at)
        return end

    def _tag_end(self, begin: int) -> int:
        """Return the end of a tag, past ">" in quoted values; 0 where the text ends in a "<" with a word.

        Raises Unaligned where the tag never ends.
        """
        source, at = self._source, begin
        while mark := _IN_TAG.search(source, at):
            if mark.group() == ">":
                return mark.end()
            at = source.find(mark.group(1), mark.end()) + 1
            if not at:
                break
        if source.find(">", begin) < 0 and source.find("<", begin) < 0:
            return 0
        raise Unaligned
