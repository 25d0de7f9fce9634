"""Worst texts: what a customer can write to make a reader of texts work as long as possible, by size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

Worst = Mapping[str, Callable[[int], str]]

CHATS: Final[Worst] = {
    "dots before a letter": lambda size: "." * (size - 1) + "a",
    "marks with spaces": lambda size: "! " * (size // 2),
    "emoji with marks": lambda size: "😀 ! " * (size // 4),
    "dots and quotes": lambda size: '."' * (size // 2) + "a",
    "closing quotes": lambda size: "." + "\"')" * (size // 3) + "a",
    "dots between Han signs": lambda size: "字." * (size // 2) + "a",
    "full-width dots": lambda size: "1\uff0e" * (size // 2) + "1",
    "bars after Devanagari": lambda size: "क |" * (size // 3) + "a",
    "numbers with dots": lambda size: "1." * (size // 2) + "a",
    "dates with spaces": lambda size: "1.1." + " " * size,
    "abbreviations": lambda size: "e.g. " * (size // 5),
    "joined emoji": lambda size: "👩\u200d" * (size // 2),
    "commas": lambda size: "a, " * (size // 3),
    "hyphens with spaces": lambda size: " -" * (size // 2),
    "one long word": lambda size: "a" * size,
    "apostrophes": lambda size: "a'" * (size // 2),
    "accents": lambda size: "a" + "\u0301" * size,
    "accents of two classes": lambda size: "a" + "\u0301" * (size // 2) + "\u0316" * (size // 2),
    "words of accents of two classes": lambda size: ("a" + "\u0301" * 200 + "\u0316" * 199 + " ") * (size // 400),
    "joiners": lambda size: "a" * 60 + "\u200d" * size,
    "signs that are eighteen letters": lambda size: "\ufdfa" * size,
    "words without marks": lambda size: "word " * (size // 5),
    "Thai without spaces": lambda size: "สวัสดี" * (size // 6),
}
"""Texts for what cuts a message into units, looks its words up and compares them."""

MAILS: Final[Worst] = {
    "lines that end in colons": lambda size: "2025 10:12 a:\n" * (size // 14),
    "lines of a header block": lambda size: "From: a\nTo: b\n" * (size // 14),
    "closing phrases": lambda size: "Thanks\n" * (size // 7),
    "quotes between lines below empty lines": lambda size: "\n" * (size // 2) + "> a\nb\n" * (size // 12),
    "encoded lines": lambda size: ("A1b/" * 15 + "\n") * (size // 61),
    "brackets behind an address": lambda size: "http://a" + ")" * size,
    "parts of addresses": lambda size: "a@b." * (size // 4),
    "codes": lambda size: "A1-" * (size // 3),
    "digits with spaces": lambda size: "1 " * (size // 2),
    "open braces": lambda size: "a{b:c" * (size // 5),
    "words of disclaimers": lambda size: "x\n\nconfidential mail " * (size // 21),
    "codes before a small letter": lambda size: "A-" * (size // 2 - 1) + "Aa",
    "codes after codes before a small letter": lambda size: ("A/" * 50 + "Aa ") * (size // 103),
    "several @ in lines that end in colons": lambda size: ("1.1.2024 " + "a@" * 190 + ":\n") * (size // 391),
    "several @ in lines of a header": lambda size: ("To: " + "a@" * 190 + "\n") * (size // 385),
    "dashes and rules": lambda size: "_-_--_-_-_\n" * (size // 11),
    "one line of dashes": lambda size: "-" * size,
    "names of images": lambda size: "[image" * (size // 6),
    "words before a brace": lambda size: "a " * (size // 2 - 1) + "{",
    "names of orders": lambda size: "order 1-" * (size // 8),
    "numbers behind number signs": lambda size: "#1" * (size // 2),
    "names of data": lambda size: "data:" * (size // 5),
    "quotes before digits": lambda size: ">1 \n" * (size // 4),
    "telephones": lambda size: "+1 (2)-" * (size // 7),
}
"""Texts for what sets quotes, signatures and signs aside."""

PAGES: Final[Worst] = {
    "tags that never end": lambda size: "<a " * (size // 3),
    "quotes in tags": lambda size: '<a b=">"' * (size // 8),
    "attributes without values": lambda size: "<a " + "a" * (size - 5) + "=>",
    "equals signs in a tag": lambda size: "<a " + "= " * (size // 2) + ">",
    "comments that never end": lambda size: "<!--" * (size // 4),
    "entities": lambda size: "&amp;x" * (size // 6),
    "quotes in quotes": lambda size: "<blockquote type=cite>" * (size // 22),
    "paragraphs": lambda size: "<p>a b" * (size // 6),
    "style sheets that never end": lambda size: "<style></styl" * (size // 13),
    "end tags without tags": lambda size: "</a" * (size // 3),
    "entities that never end": lambda size: "&a" * (size // 2),
    "declarations": lambda size: "<!a" * (size // 3),
    "hidden elements in each other": lambda size: "<title><title>a" * (size // 15),
    "hidden styles": lambda size: "<p style='display: : none'>a" * (size // 28),
    "line breaks of each kind": lambda size: "<br>\n<hr> \r" * (size // 12),
    "preformatted spaces": lambda size: "<pre> " * (size // 6),
}
"""Texts of HTML."""
