"""Misread texts: recognises what a program decoded wrongly, or could not compute, before it came into the file."""

from __future__ import annotations

import re
from typing import Final

LOST = "\ufffd"
"""Stands where a program could not decode."""
SHEET_ERROR: Final = re.compile(r"#(REF!|N/A|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|SPILL!|CALC!|BLOCKED!|#+)", re.IGNORECASE)
"""What a spreadsheet writes in place of a value that it could not compute, or not show."""


def misreading(text: str) -> str:
    """Return what is wrong with a text that was decoded wrongly, "TomÃ¡s" for "Tomás"; "" for any other text."""
    if SHEET_ERROR.fullmatch(text.strip()):
        return "is an error of the spreadsheet and no text; --as-is takes the text as it is"
    if text.isascii():
        return ""
    if LOST in text:
        return "has U+FFFD where a letter was lost; --as-is takes the text as it is"
    # Imported here, because it would slow down the start of every command.
    import ftfy

    right = ftfy.fix_encoding(text)
    if right == text:
        return ""
    return f"was decoded wrongly before: {text[:64]!r} is {right[:64]!r}; --as-is takes the text as it is"
