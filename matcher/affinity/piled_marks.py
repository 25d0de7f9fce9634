"""Piled marks: runs of combining marks, cut to the length that Unicode calls safe.

Normalization sorts the marks of a letter by their class, in time that grows with the square of their number: 8,000
marks of two classes behind one letter took 137 ms.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MOST_MARKS: Final = 30
"""Marks that a letter keeps: the Stream-Safe Text Format (Unicode Standard Annex 15, section 13). No language piles
more than a few."""
_LAST: Final = 0x1_EFFF
"""No mark with a class other than 0 stands beyond the Adlam and Wancho letters."""


_MAY_PILE: Final = re.compile(
    r"[\u0300-\u1dff\u20d0-\u20ff\u2c00-\u2fff\u302a-\u302f\u3099\u309a\ua000-\uabff\ufb00-\ufeff\U00010000-\U0001efff]"
    rf"{{{MOST_MARKS + 1}}}"
)
"""A stretch of the blocks that have marks; the search for it takes a tenth of the time of that for marks themselves."""


def _runs() -> re.Pattern[str]:
    marks = "".join(chr(code) for code in range(0x300, _LAST + 1) if unicodedata.combining(chr(code)))
    return re.compile(rf"([{marks}]{{{MOST_MARKS}}})[{marks}]+")


_PILED: Final = _runs()


def without_piled_marks(text: str) -> str:
    """Return a text in which no run of combining marks is longer than MOST_MARKS; other texts as they are."""
    return _PILED.sub(r"\1", text) if _MAY_PILE.search(text) else text
