"""What a flush reaches, and which namespace was flushed when. Reads no clock, asks nobody."""

import math

from askonce.core.events import Flushed
from askonce.core.key import CacheKey


def reaches(namespace: str, key: CacheKey, home: str | None) -> bool:
    """Whether a flush of this configured namespace reaches an entry.

    The entry's home decides, since `team:b` may be the request namespace `b` at the proxy `team`, `team:b` at one
    without a namespace, or the proxy `team:b`. Where no home was noted the key does: one of the namespace, or nested
    below it.
    """
    if home is not None:
        return home == namespace
    return key.namespace == namespace or (namespace != "" and key.namespace.startswith(f"{namespace}:"))


class Flushes:
    """The latest flush of each namespace: as many as there are configured ones."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def note(self, flushed: Flushed) -> None:
        self._at[flushed.namespace] = max(flushed.at, self._at.get(flushed.namespace, flushed.at))

    def at(self, key: CacheKey, home: str | None) -> float:
        """When an entry was last flushed, seconds since the epoch; minus infinity where it never was."""
        if home is not None:
            return self._at.get(home, -math.inf)
        return max((at for namespace, at in self._at.items() if reaches(namespace, key, None)), default=-math.inf)
