"""The vectors of the last few texts, for callers that repeat themselves."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict

from matcher.encoder.protocols import Vectors


class VectorCache:
    """The vectors of the last few texts, found by a keyed hash: the texts themselves are not kept."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._key = secrets.token_bytes(32)
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()

    def get(self, text: str) -> Vectors | None:
        """Return the vector of a text, if it is still here."""
        if not self._size:
            return None
        name = self._name(text)
        vector = self._vectors.get(name)
        if vector is not None:
            self._vectors.move_to_end(name)
        return vector

    def put(self, text: str, vector: Vectors) -> None:
        """Keep a copy of a vector, in place of the one that was not asked for the longest."""
        if not self._size:
            return
        self._vectors[self._name(text)] = vector.copy()
        if len(self._vectors) > self._size:
            self._vectors.popitem(last=False)

    def _name(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()
