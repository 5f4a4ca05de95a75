"""How the time that a stop may take is shared out: one place, for who stops and for who waits for it."""

from dataclasses import dataclass
from typing import Final

_LEAVING: Final = 5.0  # seconds to close connections and to end, once everything is drained


@dataclass(frozen=True, slots=True)
class Drain:
    """`seconds` is the setting `drain_seconds`: for requests and the answers that are still arriving, together."""

    seconds: float

    @property
    def handlers(self) -> float:
        """For aiohttp's runner, which may take it twice: until a handler ends, and again once it is told to."""
        return self.seconds / 4

    @property
    def outbox(self) -> float:
        """What the outbox has at least, whatever requests and answers took."""
        return self.seconds / 4

    @property
    def longest(self) -> float:
        """When a process that was told to stop has certainly ended, unless it is stuck. By hand this counts from the
        end of `shutdown_delay`, which a supervisor's children do not have.
        """
        return self.seconds + self.outbox + _LEAVING
