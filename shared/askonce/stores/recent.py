"""A bounded memory of what happened to which key, last. It forgets safely; it does not know what the marks mean."""

import math
from collections import OrderedDict

_LIMIT = 10_000  # keys; 2 MB at most


class Recent:
    """The highest mark of each key noted lately.

    What was cut off is remembered as one mark for every key, the highest of them: an answer may be too high after a
    cut, and is never too low.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._marks: OrderedDict[str, float] = OrderedDict()
        self._floor = -math.inf

    def note(self, key: str, mark: float) -> None:
        self._marks[key] = max(mark, self._marks.get(key, mark))
        self._marks.move_to_end(key)
        if len(self._marks) > self._limit:
            self._floor = max(self._floor, self._marks.popitem(last=False)[1])

    def note_all(self, mark: float) -> None:
        """As if every key there is had been noted."""
        self._floor = max(self._floor, mark)

    def last(self, key: str) -> float:
        """The key's mark; minus infinity when nothing is known against it."""
        return max(self._floor, self._marks.get(key, self._floor))

    def exactly(self, key: str) -> float:
        """The mark that was noted for this very key; minus infinity when there is none, or not any more."""
        return self._marks.get(key, -math.inf)
