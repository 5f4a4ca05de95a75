"""Round trips of counting that come to nothing: what they told is told again, and what was done meanwhile too.

The beat that says again what is under way is 200 seconds away here: nothing waits for it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import count

import pytest
from pydantic import SecretStr

from askonce.config.settings import RedisSettings
from askonce.stores.counting.protocol import Claim, Counters, Kind
from askonce.stores.counting.redis import RedisCounters
from askonce.telemetry.metrics import Metrics
from tests.servers import Valkey
from tests.slow_proxy import SlowProxy
from tests.stores import counting_scene
from tests.stores.counting_scene import OpenCounters, together, until_passes
from tests.stores.redis_scene import settings_of

open_redis_counters, valkey = counting_scene.open_redis_counters, counting_scene.valkey
SLOT = 600.0
_names = count()


class Line:
    """A frontend's way to the server, which swallows what is sent while it is `cut`."""

    def __init__(self, proxy: SlowProxy, metrics: Metrics) -> None:
        self._proxy, self.metrics = proxy, metrics

    def cut(self) -> None:
        self._proxy.fall_silent()
        self._proxy.heard.clear()

    async def swallowed(self) -> None:
        """Once a round trip has been lost on it, and is made anew, it is whole again."""
        await until(lambda: b"EVALSHA" in self._proxy.heard)
        first = len(self._proxy.heard)
        await until(lambda: len(self._proxy.heard) > first)
        self.mend()

    def mend(self) -> None:
        self._proxy.reset()
        self._proxy.speak()


@pytest.fixture
async def proxy(valkey: Valkey) -> AsyncIterator[SlowProxy]:
    proxy = SlowProxy(valkey.port)
    await proxy.open()
    yield proxy
    await proxy.close()


@pytest.fixture
async def line(proxy: SlowProxy) -> Line:
    return Line(proxy, Metrics())


@pytest.fixture
async def here(proxy: SlowProxy, line: Line, open_redis_counters: OpenCounters) -> RedisCounters:
    settings = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{proxy.port}"))
    counters = open_redis_counters(settings, deadline=0.4, slot=SLOT, seen=line.metrics)
    assert await until_passes(counters, (Claim(name(), parallel=1),))
    return counters


@pytest.fixture
async def there(valkey: Valkey, open_redis_counters: OpenCounters) -> RedisCounters:
    return open_redis_counters(settings_of(valkey), slot=SLOT)


def name() -> str:
    return f"key:late:{next(_names)}"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


async def refused(counters: Counters, claims: Sequence[Claim]) -> Kind | None:
    """What a request is refused for within some seconds; none that is let in stays."""
    for _ in range(500):
        told = await counters.take(claims)
        if told is not None:
            return told.kind
        counters.release(claims)
        await asyncio.sleep(0.01)
    return None


async def test_tokens_that_did_not_arrive_are_told_again(here: RedisCounters, there: RedisCounters, line: Line) -> None:
    claims = (Claim(name(), tokens=100),)
    assert await here.take(claims) is None
    line.cut()
    here.spend(claims, 1000)
    await line.swallowed()
    assert await refused(there, claims) is Kind.TOKENS
    assert await refused(here, claims) is Kind.TOKENS


async def test_a_place_whose_end_did_not_arrive_is_free_again(
    here: RedisCounters, there: RedisCounters, line: Line
) -> None:
    claims = (Claim(name(), parallel=1),)
    assert await here.take(claims) is None
    assert await there.take(claims) is not None
    line.cut()
    here.release(claims)
    await line.swallowed()
    assert await until_passes(there, claims)


async def test_a_place_that_was_given_here_meanwhile_is_known_to_others_afterwards(
    here: RedisCounters, there: RedisCounters, line: Line
) -> None:
    claims = (Claim(name(), parallel=1),)
    line.cut()
    assert await here.take(claims) is None
    line.mend()
    assert await refused(there, claims) is Kind.PARALLEL
    here.release(claims)
    assert await until_passes(there, claims)


async def test_places_of_an_outage_are_known_to_others_once_it_is_over(
    here: RedisCounters, there: RedisCounters, line: Line
) -> None:
    before, meanwhile, over = ((Claim(name(), parallel=1),) for _ in range(3))
    assert await here.take(before) is None
    assert await here.take(over) is None
    line.cut()
    here.release(over)
    await until(lambda: not together(line.metrics))
    assert await here.take(meanwhile) is None
    assert await here.take(meanwhile) is not None
    line.mend()
    await until(lambda: together(line.metrics))
    assert await refused(there, meanwhile) is Kind.PARALLEL
    assert await refused(there, before) is Kind.PARALLEL
    assert await until_passes(there, over)


async def test_tokens_that_redis_does_not_take_are_counted_here(here: RedisCounters, line: Line) -> None:
    claims = (Claim(name(), tokens=100),)
    assert await here.take(claims) is None
    line.cut()
    here.spend(claims, 1000)
    await until(lambda: not together(line.metrics))
    told = await here.take(claims)
    assert told is not None
    assert told.kind is Kind.TOKENS
    line.mend()


async def test_many_places_do_not_make_a_round_trip_late_again_and_again(
    here: RedisCounters, there: RedisCounters, line: Line
) -> None:
    many = [(Claim(name(), parallel=1),) for _ in range(1300)]
    line.cut()
    await until_nothing_is_asked(here, line)
    assert [await here.take(claims) for claims in many] == [None] * len(many)
    line.mend()
    await until(lambda: together(line.metrics))
    for claims in (many[0], many[700], many[-1]):
        assert await refused(there, claims) is Kind.PARALLEL
        here.release(claims)
        assert await until_passes(there, claims)


async def until_nothing_is_asked(counters: Counters, line: Line) -> None:
    async with asyncio.timeout(20):
        while together(line.metrics):
            await counters.take((Claim(name(), requests=1),))
