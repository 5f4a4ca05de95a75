"""Which keys were deleted, and when, in memory: what a writer asks for every entry. Reads no clock, asks nobody."""

from collections import OrderedDict

from askonce.core.events import Deleted
from askonce.core.key import CacheKey


class Graveyard:
    """The latest deletion of each key; those older than `age` seconds are forgotten as later ones come in."""

    def __init__(self, age: float) -> None:
        self._age = age
        self._at: OrderedDict[str, float] = OrderedDict()  # by time of arrival, which is near enough to order

    def __len__(self) -> int:
        return len(self._at)

    def bury(self, deleted: Deleted, now: float) -> None:
        for key in deleted.keys:
            text = str(key)
            at = max(deleted.at, self._at.pop(text, deleted.at))
            self._at[text] = at
        self._forget(now - self._age)

    def _forget(self, before: float) -> None:
        while self._at:
            text, at = next(iter(self._at.items()))
            if at >= before:
                break
            del self._at[text]

    def at(self, key: CacheKey) -> float | None:
        return self._at.get(str(key))
