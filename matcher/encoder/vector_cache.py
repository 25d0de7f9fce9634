"""Cache of the vectors of recent texts, for callers that repeat a text."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict

from matcher.encoder.protocols import Vectors


class VectorCache:
    """Keep the vectors of the last few texts under a keyed hash; the texts themselves are not kept."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._key = secrets.token_bytes(32)
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()

    def get(self, text: str) -> Vectors | None:
        """Return the vector of a text, or None."""
        if not self._size:
            return None
        digest = self._digest(text)
        vector = self._vectors.get(digest)
        if vector is not None:
            self._vectors.move_to_end(digest)
        return vector

    def put(self, text: str, vector: Vectors) -> None:
        """Keep a copy of a vector; beyond the size, the least recently used is evicted."""
        if not self._size:
            return
        self._vectors[self._digest(text)] = vector.copy()
        if len(self._vectors) > self._size:
            self._vectors.popitem(last=False)

    def _digest(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()
