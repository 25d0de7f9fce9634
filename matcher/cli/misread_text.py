"""Misread texts: recognises a text that a program decoded wrongly before it came into the file."""

from __future__ import annotations

LOST = "\ufffd"
"""Stands where a program could not decode."""


def misreading(text: str) -> str:
    """Return what is wrong with a text that was decoded wrongly, "TomÃ¡s" for "Tomás"; "" for any other text."""
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
