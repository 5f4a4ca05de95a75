"""Counters on a real server, as many frontends as a test needs, and what came of many requests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from time import perf_counter

import pytest

from askonce.config.settings import RedisSettings
from askonce.stores.counting.protocol import Claim, Counters, Exceeded
from askonce.stores.counting.redis import RedisCounters
from askonce.stores.redis.exact import open_keys
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.servers import Valkey

PREFIX = "askonce:{limits}:"
OpenCounters = Callable[..., RedisCounters]


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def open_redis_counters(metrics: Metrics) -> AsyncIterator[OpenCounters]:
    """Each call is one more frontend. A busy machine is given time to answer, unless a test says otherwise."""
    opened: list[RedisCounters] = []

    def open_(
        settings: RedisSettings, *, deadline: float = 5.0, seen: Metrics = metrics, **more: float
    ) -> RedisCounters:
        keys = open_keys(settings, 1.0, PREFIX)
        log = Log("test")
        opened.append(RedisCounters(keys, PREFIX, deadline=deadline, metrics=seen, log=log, timer=perf_counter, **more))
        return opened[-1]

    yield open_
    for counters in opened:
        await counters.close()


def together(*seen: Metrics) -> bool:
    """Whether all frontends whose metrics these are count in Redis."""
    return all(b"askonce_limits_shared 1.0" in one.render() for one in seen)


async def let_in(counters: Sequence[Counters], claims: Sequence[Claim]) -> tuple[int, list[Exceeded]]:
    """One request for each of the counters (which may be there several times), all at once: how many passed, and what
    the others were told.
    """
    told = await asyncio.gather(*(one.take(claims) for one in counters))
    return sum(one is None for one in told), [one for one in told if one is not None]


async def until_passes(counters: Counters, claims: Sequence[Claim]) -> bool:
    """Whether a request got through within some seconds."""
    for _ in range(1000):
        if await counters.take(claims) is None:
            return True
        await asyncio.sleep(0.01)
    return False
