"""Searches by meaning have a breaker of their own: gets that work are no word for them, and the other way round."""

import time
from collections.abc import AsyncIterator, Sequence

import pytest

from askonce.core.entry import Found, Lookup, Vector
from askonce.core.errors import StoreUnavailable
from askonce.stores import circuit
from askonce.stores.guards import GuardedMatcher
from askonce.stores.protocols import Known, nothing_known
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.stores.contract import make_key
from tests.stores.test_guards import gauge, until

Q = Lookup(make_key("q"), "5" * 64, "q", Vector("m", bytes(4)))


class Halves:
    """A matcher whose verbs fail apart."""

    name = "redis"

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.searches = 0

    def _do(self, verb: str) -> None:
        if verb in self.broken:
            raise StoreUnavailable(verb)

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        self._do("get")
        return [None] * len(lookups)

    async def nearest(
        self, lookup: Lookup, limit: int, least: float = -1.0, known: Known = nothing_known
    ) -> list[Found]:
        self.searches += 1
        self._do("nearest")
        return []

    async def ping(self) -> None:
        self._do("get")

    async def close(self) -> None:
        pass


@pytest.fixture
def halves() -> Halves:
    return Halves()


@pytest.fixture
async def matcher(halves: Halves, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GuardedMatcher]:
    monkeypatch.setattr(circuit, "_PROBE_SECONDS", 0.01)
    made = GuardedMatcher(halves, deadline=5.0, metrics=metrics, log=Log("test"), timer=time.perf_counter)
    yield made
    await made.close()


async def search_in_vain(matcher: GuardedMatcher, times: int) -> None:
    for _ in range(times):
        await matcher.get([Q])
        with pytest.raises(StoreUnavailable):
            await matcher.nearest(Q, 1)


async def test_searches_that_fail_are_skipped_while_gets_go_on(
    matcher: GuardedMatcher, halves: Halves, metrics: Metrics
) -> None:
    halves.broken = {"nearest"}
    await search_in_vain(matcher, 4)
    assert not matcher.ailing
    await search_in_vain(matcher, 1)
    assert matcher.ailing
    assert not matcher.open
    assert gauge(metrics) == 1
    assert await matcher.get([Q]) == [None]
    tried = halves.searches
    await until(lambda: halves.searches > tried)  # the probe searches, for a ping would succeed
    assert matcher.ailing
    halves.broken = set()
    await until(lambda: not matcher.ailing)
    assert await matcher.nearest(Q, 1) == []
    assert gauge(metrics) == 0


async def test_a_get_that_failed_makes_a_search_not_worth_its_vector(matcher: GuardedMatcher, halves: Halves) -> None:
    halves.broken = {"get"}
    with pytest.raises(StoreUnavailable):
        await matcher.get([Q])
    assert matcher.ailing
    halves.broken = set()
    await matcher.get([Q])
    assert not matcher.ailing
