"""An issuer of tokens, as the settings describe it: the algorithms it may sign with, and the place of its keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

FAMILIES: Final[Mapping[str, str]] = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""The first letters of an algorithm's name → the kind of key that it takes. Symmetric algorithms are in no family: with
them every service that can verify a token can make one, too."""
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


def is_url(place: str) -> bool:
    """Return whether a place is a URL, and not the path of a file."""
    return urlsplit(place).scheme in {"http", "https"}
