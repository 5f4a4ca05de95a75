"""What counters do, those of one process and those in Redis alike."""

import asyncio
from itertools import count
from time import perf_counter

import pytest

from askonce.stores.counting.local import LocalCounters
from askonce.stores.counting.protocol import Claim, Counters, Exceeded, Kind
from tests.servers import Valkey
from tests.stores import counting_scene
from tests.stores.contract import Clock
from tests.stores.counting_scene import OpenCounters, let_in, until_passes
from tests.stores.redis_scene import settings_of

open_redis_counters, valkey = counting_scene.open_redis_counters, counting_scene.valkey
_names = count()


def name() -> str:
    return f"key:{next(_names)}"


@pytest.fixture(params=["local", "redis"])
def counters(request: pytest.FixtureRequest, valkey: Valkey, open_redis_counters: OpenCounters) -> Counters:
    return LocalCounters(perf_counter) if request.param == "local" else open_redis_counters(settings_of(valkey))


async def test_as_many_requests_pass_as_the_limit_says(counters: Counters) -> None:
    claim = Claim(name(), requests=5)
    assert [await counters.take((claim,)) for _ in range(5)] == [None] * 5
    told = await counters.take((claim,))
    assert told is not None
    assert (told.claim, told.kind, told.limit) == (claim, Kind.REQUESTS, 5)
    assert 0 < told.resets_in <= 60


async def test_a_request_counts_under_all_claims_or_under_none(counters: Counters) -> None:
    wide, narrow = Claim(name(), requests=3), Claim(name(), requests=1)
    assert await counters.take((wide, narrow)) is None
    for claims in ((wide, narrow), (narrow, wide)):
        told = await counters.take(claims)
        assert told is not None
        assert told.claim == narrow
    assert [await counters.take((wide,)) for _ in range(2)] == [None, None]
    told = await counters.take((wide,))
    assert told is not None
    assert told.claim == wide


async def test_tokens_are_looked_at_and_counted_when_they_are_known(counters: Counters) -> None:
    claims = (Claim(name(), requests=100, tokens=50),)
    assert await counters.take(claims) is None
    counters.spend(claims, 49)
    assert await counters.take(claims) is None
    counters.spend(claims, 1)
    told = await counters.take(claims)
    assert told is not None
    assert (told.kind, told.limit) == (Kind.TOKENS, 50)


async def test_only_so_many_are_under_way_at_once(counters: Counters) -> None:
    claims = (Claim(name(), parallel=3),)
    passed, told = await let_in([counters] * 8, claims)
    assert passed == 3
    assert {(one.kind, one.limit) for one in told} == {(Kind.PARALLEL, 3)}
    counters.release(claims)
    assert await until_passes(counters, claims)
    assert (await let_in([counters] * 3, claims))[0] == 0


async def test_who_was_refused_by_one_limit_holds_no_place_under_another(counters: Counters) -> None:
    claims = (Claim(name(), parallel=2), Claim(name(), requests=1))
    assert await counters.take(claims) is None
    assert await counters.take(claims) is not None
    assert await counters.take(claims[:1]) is None
    assert await counters.take(claims[:1]) is not None


async def test_a_limit_of_nothing_lets_nothing_in_and_none_lets_in_everything(counters: Counters) -> None:
    for claim, kind in (
        (Claim(name(), requests=0), Kind.REQUESTS),
        (Claim(name(), tokens=0), Kind.TOKENS),
        (Claim(name(), parallel=0), Kind.PARALLEL),
    ):
        told = await counters.take((claim,))
        assert isinstance(told, Exceeded)
        assert (told.kind, told.limit) == (kind, 0)
        assert 0 < told.resets_in <= 60
    assert (await let_in([counters] * 100, (Claim(name()),)))[0] == 100
    assert await counters.take(()) is None


async def test_a_change_of_the_limit_goes_on_with_the_count(counters: Counters) -> None:
    of = name()
    assert (await let_in([counters] * 4, (Claim(of, requests=4),)))[0] == 4
    assert (await let_in([counters] * 4, (Claim(of, requests=6),)))[0] == 2


async def test_a_cancelled_asker_holds_no_place(counters: Counters) -> None:
    claims = (Claim(name(), parallel=1),)
    for _ in range(20):
        asker = asyncio.create_task(counters.take(claims))
        await asyncio.sleep(0)
        if not asker.done():
            asker.cancel()
        elif asker.result() is None:
            counters.release(claims)
        await asyncio.gather(asker, return_exceptions=True)
    assert await until_passes(counters, claims)


async def test_a_new_minute_begins_with_the_first_request_after_the_old(clock: Clock) -> None:
    counters, claims = LocalCounters(clock), (Claim(name(), requests=2, tokens=9),)
    counters.spend(claims, 9)
    assert await counters.take(claims) is not None
    clock.now += 61
    assert (await let_in([counters] * 3, claims))[0] == 2
    clock.now += 59
    assert await counters.take(claims) is not None
    clock.now += 1
    assert (await let_in([counters] * 3, claims))[0] == 2


async def test_redis_begins_a_new_minute_too(valkey: Valkey, open_redis_counters: OpenCounters) -> None:
    counters, claims = open_redis_counters(settings_of(valkey), window=0.3), (Claim(name(), requests=2, tokens=9),)
    assert (await let_in([counters] * 3, claims))[0] == 2
    assert await until_passes(counters, claims)
    counters.spend(claims, 9)
    told = await counters.take(claims)
    assert told is None or told.kind is Kind.TOKENS
    assert await until_passes(counters, claims)


async def test_counts_that_are_over_are_not_kept(clock: Clock) -> None:
    counters = LocalCounters(clock)
    for _ in range(5000):
        clock.now += 1
        assert await counters.take((Claim(name(), requests=1, parallel=1),)) is None
    assert len(counters) <= 1100
