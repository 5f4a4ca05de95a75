"""Texts whose vectors were worked out lately. Knows a text by its digest only."""

from collections import OrderedDict
from hashlib import sha256
from typing import Final

_OVERHEAD: Final = 300  # bytes charged beside a vector: its digest, and the objects around both


class Known:
    """At most `max_bytes` of vectors and what they cost beside; those asked for last stay."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._vectors: OrderedDict[bytes, bytes] = OrderedDict()
        self.bytes = 0

    def get(self, text: str) -> bytes | None:
        mark = _mark(text)
        values = self._vectors.get(mark)
        if values is not None:
            self._vectors.move_to_end(mark)
        return values

    def put(self, text: str, values: bytes) -> None:
        mark = _mark(text)
        before = self._vectors.pop(mark, None)
        if before is not None:
            self.bytes -= len(before) + _OVERHEAD
        self._vectors[mark] = values
        self.bytes += len(values) + _OVERHEAD
        while self.bytes > self._max_bytes:
            self.bytes -= len(self._vectors.popitem(last=False)[1]) + _OVERHEAD


def _mark(text: str) -> bytes:
    return sha256(text.encode()).digest()
