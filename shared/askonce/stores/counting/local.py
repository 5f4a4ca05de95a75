"""Counts of one process, in dicts. Nothing here waits."""

import math
from collections.abc import Callable, Sequence
from typing import Final

from askonce.stores.counting.protocol import Claim, Exceeded, Kind

WINDOW: Final = 60.0  # seconds; it begins with the first request, as LiteLLM's does
SLOT_AGAIN: Final = 1.0  # seconds after which one of the requests under way may have ended: nobody can know

_SWEPT_FROM: Final = 1024  # windows: fewer than these may lie about when they are over


class _Window:
    """What was counted, and when that is over, on the clock of the counters."""

    __slots__ = ("ends", "requests", "tokens")

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.requests = 0
        self.tokens = 0


_NOTHING: Final = _Window(-math.inf)


class LocalCounters:
    """`timer` is a clock in seconds that never jumps."""

    def __init__(self, timer: Callable[[], float], *, window: float = WINDOW) -> None:
        self._timer = timer
        self._length = window
        self._windows: dict[str, _Window] = {}
        self._swept_at = _SWEPT_FROM
        self.held: dict[str, int] = {}  # requests under way, by the names of the claims that limit these

    def __len__(self) -> int:
        """How many windows are kept, those included that are over."""
        return len(self._windows)

    async def take(self, claims: Sequence[Claim]) -> Exceeded | None:
        return self.take_now(claims)

    def take_now(self, claims: Sequence[Claim]) -> Exceeded | None:
        now = self._timer()
        for claim in claims:
            if claim.parallel is not None and self.held.get(claim.name, 0) >= claim.parallel:
                return Exceeded(claim, Kind.PARALLEL, claim.parallel, SLOT_AGAIN)
            window = self._windows.get(claim.name, _NOTHING)
            if window.ends <= now:
                window = _NOTHING
            if claim.requests is not None and window.requests >= claim.requests:
                return Exceeded(claim, Kind.REQUESTS, claim.requests, self._left(window, now))
            if claim.tokens is not None and window.tokens >= claim.tokens:
                return Exceeded(claim, Kind.TOKENS, claim.tokens, self._left(window, now))
        for claim in claims:
            if claim.requests is not None or claim.tokens is not None:
                self._window(claim.name, now).requests += 1
            if claim.parallel is not None:
                self.held[claim.name] = self.held.get(claim.name, 0) + 1
        return None

    def _left(self, window: _Window, now: float) -> float:
        return self._length if window is _NOTHING else window.ends - now

    def spend(self, claims: Sequence[Claim], tokens: int) -> None:
        for claim in claims:
            if claim.tokens is not None:
                self.add_tokens(claim.name, tokens)

    def add_tokens(self, name: str, tokens: int) -> None:
        self._window(name, self._timer()).tokens += tokens

    def _window(self, name: str, now: float) -> _Window:
        window = self._windows.get(name)
        if window is None or window.ends <= now:
            if len(self._windows) >= self._swept_at:
                self._windows = {key: one for key, one in self._windows.items() if one.ends > now}
                self._swept_at = max(_SWEPT_FROM, 2 * len(self._windows))
            window = self._windows[name] = _Window(now + self._length)
        return window

    def hold(self, claims: Sequence[Claim]) -> None:
        """Counts a request as under way, whoever let it in."""
        for claim in claims:
            if claim.parallel is not None:
                self.held[claim.name] = self.held.get(claim.name, 0) + 1

    def release(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            if claim.parallel is not None:
                left = self.held.get(claim.name, 0) - 1
                if left > 0:
                    self.held[claim.name] = left
                else:
                    self.held.pop(claim.name, None)

    async def close(self) -> None:
        pass
