"""Whether an embedder is worth asking. Counts failures in a row; knows nothing of texts."""

import math
from collections.abc import Callable
from typing import Final

_FAILURES: Final = 5  # in a row, before nobody waits for the embedder any more
_PAUSE: Final = 1.0  # seconds until it is tried again, twice as long after each try that failed
_LONGEST_PAUSE: Final = 30.0


class Breaker:
    """`timer` is a clock in seconds that never jumps."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._failures = 0
        self._last_failure = -math.inf
        self._pause = _PAUSE
        self._again = 0.0
        self.open = False

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, started: float) -> bool:
        """Of something that began at `started`; whether this one opened the breaker.

        What was under way together fails together, and is one failure: a single lost connection must not open it.
        """
        if self.open or started < self._last_failure:
            return False
        self._last_failure = self._timer()
        self._failures += 1
        if self._failures < _FAILURES:
            return False
        self.open = True
        self._wait()
        return True

    def try_now(self) -> bool:
        """Whether the pause is over. Who hears so tries, and tells `close` or `stay_open`; others hear no meanwhile."""
        if not self.open or self._timer() < self._again:
            return False
        self._again = math.inf
        return True

    def close(self) -> None:
        self.open = False
        self._failures = 0
        self._pause = _PAUSE

    def stay_open(self) -> None:
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause)
        self._wait()

    def _wait(self) -> None:
        self._again = self._timer() + self._pause
