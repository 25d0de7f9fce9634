"""Tags of a mail's HTML: which elements quote, sign, hide or break a line."""

from __future__ import annotations

import re
from typing import Final

from matcher.model import AsideKind

RAW: Final = frozenset({"script", "style", "xmp", "noembed", "noframes"})
"""Elements whose content is no HTML: only their own end tag ends them."""
DROPPED: Final = frozenset({"title", "template", "svg", "math", "object", "select", "xml", "noscript", "iframe"})
"""Elements whose content nobody wrote as text."""
BLOCKS: Final = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt"),
        *("fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr"),
        *("html", "includetail", "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary"),
        *("table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
    )
)
"""Elements that begin and end a line."""
VOID: Final = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
"""Elements without an end tag."""

_ATTRIBUTE: Final = re.compile(r"""(?<![\w:-])([\w:-]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""")
_QUOTE: Final = re.compile(
    r"gmail_quote|gmail_attr|yahoo_quoted|protonmail_quote|tutanota_quote|zmail_extra|mail-quote|moz-email-headers"
    r"|quoted-?text|reply-?quote|isreplycontent|mail-editor-reference-message"
)
_HEADER: Final = re.compile(r"moz-cite-prefix")
_SIGNATURE: Final = re.compile(r"signature(?:_prefix)?(?![\w-])")
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|font-size\s*:\s*0(?![.\d])")


def attributes(tag: str) -> dict[str, str]:
    """Return the attributes of a start tag, names and values in lower case."""
    if "=" not in tag:
        return {}
    return {
        name.lower(): (double or single or bare).lower()
        for name, double, single, bare in _ATTRIBUTE.findall(tag[:4_096])
    }


def aside_kind(name: str, given: dict[str, str]) -> AsideKind | None:
    """Return the kind of an element that is set aside with all it holds; None: its text is kept."""
    fixed = AsideKind.STYLE if name in RAW else AsideKind.MARKUP if name in DROPPED else None
    if name == "includetail":  # QQ Mail
        return AsideKind.QUOTE
    if fixed is not None or not given:
        return fixed
    marks, style = f"{given.get('class', '')} {given.get('id', '')}", given.get("style", "")
    cited = given.get("type") == "cite" or "cite" in given or "border-left" in style
    if (name == "blockquote" and cited) or given.get("name") == "quote" or _QUOTE.search(marks):
        return AsideKind.QUOTE
    if _HEADER.search(marks):
        return AsideKind.REPLY_HEADER
    if _SIGNATURE.search(marks):
        return AsideKind.SIGNATURE
    return AsideKind.MARKUP if _HIDDEN.search(style) else None
