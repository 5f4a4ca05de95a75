"""What one process knows of each deployment: how busy, how fast and how sound it is. Chooses nothing.

All times are in seconds since the epoch. A minute is one of the clock's, as in LiteLLM.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from askonce.frontend.deployments import Target

MINUTE: Final = 60.0
_FAILURES: Final = 1000  # of a minute that are remembered; who allows more is not held to it


@dataclass(eq=False, slots=True)
class Member:
    """`in_flight` are requests that it has not answered to the end yet. Until `cooled_until` it is asked only where
    nobody else is left.
    """

    id: str
    label: str
    in_flight: int = 0
    cooled_until: float = 0.0
    _minute: int = 0
    _requests: int = 0
    _tokens: int = 0
    _failures: deque[float] = field(default_factory=lambda: deque(maxlen=_FAILURES))
    _plain: deque[tuple[float, float]] = field(default_factory=deque)  # when, and how long
    _streamed: deque[tuple[float, float]] = field(default_factory=deque)

    def begin(self, now: float) -> None:
        self.in_flight += 1
        self._turn(now)
        self._requests += 1

    def end(self) -> None:
        self.in_flight -= 1

    def spend(self, tokens: int, now: float) -> None:
        """Tokens of an answer count in the minute in which it ends."""
        self._turn(now)
        self._tokens += tokens

    def used(self, now: float) -> tuple[int, int]:
        """Requests and tokens of this minute."""
        self._turn(now)
        return self._requests, self._tokens

    def failed(self, now: float) -> int:
        """Counts a failure; gives how many there were within a minute, this one included."""
        self._failures.append(now)
        while self._failures[0] <= now - MINUTE:
            self._failures.popleft()
        return len(self._failures)

    def took(self, seconds: float, now: float, *, streamed: bool, samples: int) -> None:
        """Of a stream the time to its first byte, else that to the end: only the like are compared."""
        seen = self._streamed if streamed else self._plain
        seen.append((now, seconds))
        while len(seen) > samples:
            seen.popleft()

    def latency(self, now: float, *, streamed: bool, ttl: float) -> float | None:
        """The mean of the last times that are no older than `ttl`; None where there is none."""
        seen = self._streamed if streamed else self._plain
        while seen and seen[0][0] < now - ttl:
            seen.popleft()
        return sum(took for _, took in seen) / len(seen) if seen else None

    def cooled(self, now: float) -> bool:
        return self.cooled_until > now

    def _turn(self, now: float) -> None:
        minute = int(now // MINUTE)
        if minute != self._minute:
            self._minute, self._requests, self._tokens = minute, 0, 0


class Members:
    """Every deployment's, by its id: `targets` are those of the model list, in its order."""

    def __init__(self, targets: Iterable[Target] = ()) -> None:
        self._by_id = {one.id: Member(one.id, one.label) for one in targets}

    def __iter__(self) -> Iterator[Member]:
        return iter(self._by_id.values())

    def of(self, target: Target) -> Member:
        member = self._by_id.get(target.id)
        if member is None:
            member = self._by_id[target.id] = Member(target.id, target.label)
        return member

    def known(self, deployment: str) -> Member | None:
        """By its id. Another proxy on the same queue may have other deployments."""
        return self._by_id.get(deployment)
