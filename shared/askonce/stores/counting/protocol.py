"""Counts of requests and tokens in a minute, and of requests under way: what limits are held against.

Knows no key and no model: only names of counts, and how far each may go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """What is counted, in LiteLLM's words."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    PARALLEL = "max_parallel_requests"


@dataclass(frozen=True, slots=True)
class Claim:
    """One count that a request stands under, such as "key:<hash>", and its limits; None is without end.

    `requests` and `tokens` are of a minute that begins with the first request; `parallel` is of requests under way.
    """

    name: str
    requests: int | None = None
    tokens: int | None = None
    parallel: int | None = None

    def __hash__(self) -> int:
        return hash(self.name)  # of each request that is limited: a quarter of what all four would take


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The first limit that a request met. `resets_in` is when it may be less, in seconds from now."""

    claim: Claim
    kind: Kind
    limit: int
    resets_in: float


class Counters(Protocol):
    """Counts for one proxy, or for one process of it."""

    async def take(self, claims: Sequence[Claim]) -> Exceeded | None:
        """Counts one request under all claims, or under none where a limit of one of them is reached. Tokens are only
        looked at: what an answer will cost is not known before. Never raises.
        """
        ...

    def spend(self, claims: Sequence[Claim], tokens: int) -> None:
        """Counts tokens of an answer. Never waits and never raises."""
        ...

    def release(self, claims: Sequence[Claim]) -> None:
        """A request that was counted has ended. Never waits and never raises."""
        ...

    async def close(self) -> None: ...
