"""Which keys were deleted, which namespaces flushed, and when, in memory: what a writer asks for every entry. Reads no
clock, asks nobody.
"""

import math
from collections import OrderedDict

from askonce.core.events import Deleted, Flushed
from askonce.core.flushes import Flushes
from askonce.core.key import CacheKey


class Graveyard:
    """The latest deletion of each key; those older than `age` seconds are forgotten as later ones come in. Of flushes,
    which are few, none is forgotten.
    """

    def __init__(self, age: float) -> None:
        self._age = age
        self._at: OrderedDict[str, float] = OrderedDict()  # by time of arrival, which is near enough to order
        self._flushes = Flushes()

    def __len__(self) -> int:
        return len(self._at)

    def bury(self, deleted: Deleted, now: float) -> None:
        for key in deleted.keys:
            text = str(key)
            at = max(deleted.at, self._at.pop(text, deleted.at))
            self._at[text] = at
        self._forget(now - self._age)

    def flush(self, flushed: Flushed) -> None:
        self._flushes.note(flushed)

    def _forget(self, before: float) -> None:
        while self._at:
            text, at = next(iter(self._at.items()))
            if at >= before:
                break
            del self._at[text]

    def at(self, key: CacheKey, home: str | None = None) -> float | None:
        """See `bus.protocols.Tombstones`."""
        at = max(self._at.get(str(key), -math.inf), self._flushes.at(key, home))
        return None if at == -math.inf else at
