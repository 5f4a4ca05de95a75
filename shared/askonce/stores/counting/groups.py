"""Requests that stand under the same claims in one frontend: who waits, and what is lent to them. Knows no Redis."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from askonce.stores.counting.local import SLOT_AGAIN
from askonce.stores.counting.protocol import Claim, Exceeded, Kind
from askonce.stores.counting.script import Told, Trip

LEASE_SECONDS: Final = 0.1

GRANTED: Final = Told(1, 0, 0.0, -1, None, 0.0, 0.0, ())


class Group:
    """`left` of `leased` requests may be let in until `until`, on the counters' clock; `windows` are the claims' that
    they were counted in.
    """

    __slots__ = (
        "claims",
        "expiry",
        "id",
        "idle",
        "leased",
        "left",
        "limits",
        "parallel",
        "until",
        "used",
        "waiting",
        "windows",
    )

    def __init__(self, name: str, claims: Sequence[Claim]) -> None:
        self.id = name
        self.claims = [one for one in claims if (one.requests, one.tokens, one.parallel) != (None, None, None)]
        self.limits = [(_number(one.requests), _number(one.tokens), _number(one.parallel)) for one in self.claims]
        self.parallel = any(claim.parallel is not None for claim in self.claims)
        self.waiting: list[asyncio.Future[Told | None]] = []
        self.left = 0
        self.until = 0.0
        self.leased = 0
        self.windows: list[tuple[str, int]] = []
        self.expiry: asyncio.TimerHandle | None = None
        self.used = Lately()
        self.idle = 0  # beats since somebody asked

    def limits_in(self, trip: Trip, held: Mapping[str, int]) -> list[tuple[int, int, int, int]]:
        """As Wanted has them; `held` is what is under way in this frontend, by claim."""
        found = []
        for claim, limits in zip(self.claims, self.limits, strict=True):
            number = trip.number(claim.name, -1 if claim.parallel is None else held.get(claim.name, 0))
            found.append((number, *limits))
        return found

    def alive(self) -> list[asyncio.Future[Told | None]]:
        """Takes those who wait and were not cancelled."""
        askers = [one for one in self.waiting if not one.done()]
        self.waiting.clear()
        return askers


class Lately:
    """How many requests were let in during the last lease's time: no more than these are lent anew."""

    __slots__ = ("_before", "_now", "_since")

    def __init__(self) -> None:
        self._before, self._now, self._since = 0, 0, 0.0

    def add(self, number: int, at: float) -> None:
        if at - self._since > LEASE_SECONDS:
            self._before = self._now if at - self._since <= 2 * LEASE_SECONDS else 0
            self._now, self._since = 0, at
        self._now += number

    @property
    def number(self) -> int:
        return max(self._before, self._now)


def exceeded(claim: Claim, told: Told) -> Exceeded:
    kind = told.kind or Kind.REQUESTS
    limit = {Kind.REQUESTS: claim.requests, Kind.TOKENS: claim.tokens, Kind.PARALLEL: claim.parallel}[kind]
    return Exceeded(claim, kind, limit or 0, SLOT_AGAIN if kind is Kind.PARALLEL else told.resets_in)


def tell(asker: asyncio.Future[Told | None], told: Told | None) -> None:
    if not asker.done():
        asker.set_result(told)


def _number(limit: int | None) -> int:
    return -1 if limit is None else limit
