"""What a frontend looks up: its memory, then the store behind it in one call. Fails open, and only for an outage."""

import math
from collections.abc import Callable, Sequence

from askonce.core.entry import Found, Lookup
from askonce.core.errors import StoreUnavailable
from askonce.stores.memory import MemoryStore
from askonce.stores.protocols import Reader


class Tiered:
    """A Reader over `memory` and, except for `local`, a store behind it.

    `memory` is public: it belongs to the frontend, which keeps its own answers there and drops what is deleted.
    A lookup never fails: a store that cannot answer (its guard counts how often) is a miss, and for an entry in
    memory that was due to be confirmed it is no objection. An entry is due `recheck` seconds after it was kept or
    confirmed: that bounds how long a frontend may serve what the store has lost, and gives writers time to persist
    what the store has not got yet.
    """

    def __init__(
        self, memory: MemoryStore, behind: Reader | None, *, recheck: float, clock: Callable[[], float]
    ) -> None:
        self.memory = memory
        self._behind = behind
        self._recheck = math.inf if behind is None else recheck
        self._clock = clock

    @property
    def name(self) -> str:
        return "local" if self._behind is None else self._behind.name

    def peek(self, lookups: Sequence[Lookup], now: float) -> list[Found] | None:
        """Everything asked for, when all of it is in memory: no await, and nothing allocated but the list."""
        found: list[Found] = []
        for lookup in lookups:
            one = self.memory.peek(lookup.key, now, self._recheck)
            if one is None:
                return None
            found.append(one)
        return found

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        now = self._clock()
        found = [self.memory.peek(lookup.key, now, self._recheck) for lookup in lookups]
        missing = [position for position, one in enumerate(found) if one is None]
        if self._behind is None or not missing:
            return found
        asked = [lookups[position] for position in missing]
        for position, one in zip(missing, await self._look_behind(self._behind, asked), strict=True):
            found[position] = one
        return found

    async def _look_behind(self, behind: Reader, lookups: Sequence[Lookup]) -> list[Found | None]:
        token = self.memory.begin()
        try:
            answers = await behind.get(lookups)
        except StoreUnavailable:
            now = self._clock()
            return [self.memory.peek(lookup.key, now) for lookup in lookups]
        now = self._clock()
        return [self._settle(lookup, one, token, now) for lookup, one in zip(lookups, answers, strict=True)]

    def _settle(self, lookup: Lookup, answer: Found | None, token: int, now: float) -> Found | None:
        if answer is not None:
            return self.memory.fill(answer, token, now)
        self.memory.gone(lookup.key, token)
        # an answer may have come by the bus while the store, which has not got it yet, was read
        return self.memory.peek(lookup.key, now)

    async def ping(self) -> None:
        """Raises StoreUnavailable when the store behind does not answer; also opens its connections."""
        if self._behind is not None:
            await self._behind.ping()

    async def close(self) -> None:
        if self._behind is not None:
            await self._behind.close()
