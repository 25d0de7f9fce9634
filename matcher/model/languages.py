"""Languages: BCP-47 tags and names as people write them, and which language of a message meets which of an agent.

A language that has an older or a longer tag is one language (`iw` is `he`, `deu` is `de`). A macrolanguage of ISO 639-3
meets each of its members, and each member meets it (`no` and `nb`, `zh` and `yue`), but members do not meet each other.
Script and region do not count (`zh-Hans` meets `zh`). The tables are those of `langcodes`: IANA's registry and CLDR.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

REMEMBERED: Final = 4_096
"""Tags and names remembered: a roster has a few dozen."""
LONGEST: Final = 64
"""Characters. RFC 5646 (4.4.1) asks for room for 35; the longest registered tags and names need fewer than 64."""
SHORTEST_NAME: Final = 4
"""Letters of a name in Latin script: shorter ones are tags, also wrong ones, and names of other languages ("ua")."""
_BETWEEN: Final = re.compile(r"\s*[,;|/&+\n\uff0c\u3001\uff1b]\s*|\s+(?:and|und|et|y|e|en|og|och|i|и)\s+")
"""Stands between languages where a text names several."""
_NUL: Final = "\x00"
"""Ends the keys of the library's trie: a name that holds it is looked up in foreign memory."""
_MEMBER_OF: Final = "/"
"""Marks the name under which an agent is found who speaks a member of a macrolanguage. No tag has it."""


def tag_of(written: str) -> str:
    """Return the tag that a text is or names, "de" for "German" and for "Deutsch"; "" for any other text.

    A tag that exists is returned as it is written. A text that names several languages names none.
    """
    return _tag_of(written) if len(written) <= LONGEST and not several(written) else ""


@lru_cache(REMEMBERED)
def several(written: str) -> tuple[str, ...]:
    """Return the tags of a text that names more than one language, ("en", "de") for "English, German"; () for another.

    The library finds the first of them and says nothing of the rest; "Chinese, Simplified" is one language.
    """
    if len(written) > LONGEST or not _BETWEEN.search(written):
        return ()
    tags = dict.fromkeys(tag for part in _BETWEEN.split(written) if (tag := _tag_of(part)))
    return tuple(tags) if len({compared(tag) for tag in tags}) > 1 else ()


@lru_cache(REMEMBERED)
def _tag_of(written: str) -> str:
    import langcodes

    if written.isascii() and langcodes.tag_is_valid(written):
        return written
    name = written.strip()
    if name.isascii() and len(name) < SHORTEST_NAME:
        return ""
    if _NUL in name:
        return ""
    try:
        return str(langcodes.find(name))
    except (LookupError, ValueError):
        return ""


def nearest(written: str) -> str:
    """Return the existing tag that is nearest to a text that names no language; "" if none is near.

    A country in place of its language gives the language that most people speak there: "ja" for "jp".
    """
    from langcodes.data_dicts import LIKELY_SUBTAGS

    if len(written) > LONGEST:
        return ""
    head = written.strip().replace("_", "-").split("-", 1)[0]
    if head != written and tag_of(head):
        return tag_of(head)
    if likely := LIKELY_SUBTAGS.get(f"und-{head.upper()}"):
        return likely.split("-", 1)[0]
    near = difflib.get_close_matches(written.casefold(), _names(), n=1, cutoff=0.7)
    return _names()[near[0]] if near else ""


def name_of(tag: str) -> str:
    """Return the English name of a tag, "German" for "de"."""
    import langcodes

    return langcodes.Language.get(tag).display_name()


@lru_cache(REMEMBERED)
def compared(tag: str) -> str:
    """Return what is compared of a tag, or of a language's name: the language's own subtag, in its newest form.

    tag: at most LONGEST characters.
    """
    import langcodes

    subtag = tag.replace("_", "-").split("-", 1)[0].lower()
    if subtag in _macrolanguages():
        return subtag
    try:
        return langcodes.Language.get(tag_of(tag) or tag).language or subtag
    except ValueError:
        return subtag


def meets(asked: str, spoken: str) -> bool:
    """Return whether an agent who speaks one language is able to serve a message that asks for the other."""
    asked, spoken = compared(asked), compared(spoken)
    return asked == spoken or _macrolanguage(asked) == spoken or asked == _macrolanguage(spoken)


def found_under(spoken: str) -> tuple[str, ...]:
    """Return the names under which an agent who speaks a language is found."""
    language = compared(spoken)
    macrolanguage = _macrolanguage(language)
    return (language, macrolanguage + _MEMBER_OF) if macrolanguage else (language,)


def looked_up(asked: str) -> tuple[str, ...]:
    """Return the names that find every agent who meets a language: `found_under` of the agent has at least one."""
    language = compared(asked)
    macrolanguage = _macrolanguage(language)
    return (language, macrolanguage or language + _MEMBER_OF)


def _macrolanguage(language: str) -> str:
    from langcodes.data_dicts import MACROLANGUAGES

    return MACROLANGUAGES.get(language, "")


@lru_cache(1)
def _macrolanguages() -> frozenset[str]:
    from langcodes.data_dicts import MACROLANGUAGES

    return frozenset(MACROLANGUAGES.values())


@lru_cache(1)
def _names() -> Mapping[str, str]:
    """Return the tags of the languages that CLDR has names for, by tag, by English name and by the language's own."""
    import langcodes
    from langcodes.language_lists import CLDR_LANGUAGES

    names: dict[str, str] = {}
    for tag in sorted(CLDR_LANGUAGES):
        language = langcodes.Language.get(tag)
        for name in (tag, language.display_name(), language.autonym()):
            names.setdefault(name.casefold(), tag)
    return names
