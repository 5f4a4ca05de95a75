"""The guard: a store that is slow, stopped or away costs a miss, then nothing, and is found again by itself."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from askonce.core.entry import Found, Lookup
from askonce.core.errors import StoreUnavailable
from askonce.stores import circuit
from askonce.stores.guards import Guarded
from askonce.stores.memory import MemoryStore
from askonce.stores.protocols import Crowded, Partly
from askonce.stores.redis.exact import RedisReader, RedisWriter
from askonce.stores.tier import Tiered
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.servers import Valkey
from tests.stores.contract import Clock, make_entry, make_key
from tests.stores.redis_scene import settings_of

Q = [Lookup(make_key("q"))]


class Moody:
    """A reader whose next answers are written down: a result, an error, or None for no answer at all."""

    name = "redis"

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.silent = False
        self.found: list[Found | None] = [None]
        self.gets = 0
        self.pings = 0

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        self.gets += 1
        await self._mood()
        return self.found

    async def ping(self) -> None:
        self.pings += 1
        await self._mood()

    async def _mood(self) -> None:
        await asyncio.sleep(0)
        if self.silent:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error

    async def close(self) -> None:
        pass


@pytest.fixture
def moody() -> Moody:
    return Moody()


@pytest.fixture
def deadline() -> float:
    return 0.25


@pytest.fixture
async def guarded(
    moody: Moody, deadline: float, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Guarded]:
    monkeypatch.setattr(circuit, "_PROBE_SECONDS", 0.01)
    guard = Guarded(moody, deadline=deadline, metrics=metrics, log=Log("test"), timer=time.perf_counter)
    yield guard
    await guard.close()


def count(metrics: Metrics, outcome: str) -> int:
    line = f'askonce_store_read_seconds_count{{outcome="{outcome}",store="redis"}} '
    return int(float(metrics.render().decode().partition(line)[2].partition("\n")[0]))


def gauge(metrics: Metrics) -> float:
    return float(metrics.render().decode().partition('askonce_store_breaker_open{store="redis"} ')[2].split("\n")[0])


async def fails(guard: Guarded, times: int) -> None:
    for _ in range(times):
        with pytest.raises(StoreUnavailable):
            await guard.get(Q)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.005)


async def test_counts_hits_and_misses(guarded: Guarded, moody: Moody, metrics: Metrics, clock: Clock) -> None:
    assert await guarded.get(Q) == [None]
    moody.found = [None, Found(make_entry(clock), "redis")]
    assert await guarded.get(Q) == moody.found
    assert (count(metrics, "hit"), count(metrics, "miss")) == (1, 1)
    assert gauge(metrics) == 0


async def test_a_late_answer_is_a_miss(guarded: Guarded, moody: Moody, metrics: Metrics) -> None:
    moody.silent = True
    with pytest.raises(StoreUnavailable, match=r"no answer within 0\.25 s"):
        await guarded.get(Q)
    assert count(metrics, "timeout") == 1


@pytest.mark.parametrize(("silent", "deadline"), [(True, 0.05), (False, 0.25)])
async def test_five_failures_in_a_row_open_the_breaker(
    guarded: Guarded, moody: Moody, metrics: Metrics, silent: bool
) -> None:
    moody.silent, moody.error = silent, StoreUnavailable("down")
    await fails(guarded, 4)
    assert gauge(metrics) == 0
    await fails(guarded, 1)
    assert guarded.open
    assert gauge(metrics) == 1
    gets = moody.gets
    await fails(guarded, 10)
    assert moody.gets == gets, "reads skip the store"
    assert count(metrics, "open") == 10
    moody.silent, moody.error = False, None
    await until(lambda: not guarded.open)
    assert await guarded.get(Q) == [None]
    assert gauge(metrics) == 0


async def test_a_success_between_failures_keeps_it_closed(guarded: Guarded, moody: Moody) -> None:
    for _ in range(3):
        moody.error = StoreUnavailable("down")
        await fails(guarded, 4)
        moody.error = None
        await guarded.get(Q)
    assert not guarded.open


async def test_reads_that_fail_together_are_one_failure(guarded: Guarded, moody: Moody, metrics: Metrics) -> None:
    moody.error = StoreUnavailable("one connection was lost")
    outcomes = await asyncio.gather(*(guarded.get(Q) for _ in range(50)), return_exceptions=True)
    assert {type(one) for one in outcomes} == {StoreUnavailable}
    assert not guarded.open
    assert count(metrics, "error") == 50


async def test_a_crowd_of_our_own_or_some_keys_that_are_away_are_no_failure_of_the_store(
    guarded: Guarded, moody: Moody, metrics: Metrics
) -> None:
    moody.error = StoreUnavailable("down")
    await fails(guarded, 4)
    for error in (Crowded("too many reads are waiting"), Partly("one node of a cluster is away")):
        moody.error = error
        await fails(guarded, 5)
    assert not guarded.open
    assert count(metrics, "error") == 14
    moody.error = StoreUnavailable("down")
    await fails(guarded, 1)
    assert guarded.open, "nor is it a success"


@pytest.mark.parametrize(
    ("keys", "seconds"), [(0, "0.02"), (1, "0.02"), (64, "0.02"), (65, "0.04"), (640, "0.2"), (2048, "0.2")]
)
async def test_a_read_of_many_keys_is_given_longer(moody: Moody, metrics: Metrics, keys: int, seconds: str) -> None:
    guard = Guarded(moody, deadline=0.02, metrics=metrics, log=Log("test"), timer=time.perf_counter)
    moody.silent = True
    with pytest.raises(StoreUnavailable, match=rf"no answer within {seconds} s"):
        await guard.get(Q * keys)
    await guard.close()


@pytest.mark.parametrize("deadline", [0.05])
async def test_it_stays_open_while_pings_are_too_slow_for_a_read(
    guarded: Guarded, moody: Moody, metrics: Metrics
) -> None:
    moody.silent = True
    await fails(guarded, 5)
    await until(lambda: moody.pings > 2)
    assert guarded.open


async def test_a_bug_is_no_outage(guarded: Guarded, moody: Moody) -> None:
    moody.error = ZeroDivisionError()
    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            await guarded.get(Q)
    assert not guarded.open


async def test_a_client_that_leaves_is_no_failure_of_the_store(guarded: Guarded, moody: Moody) -> None:
    moody.silent = True
    for _ in range(6):
        reading = asyncio.create_task(guarded.get(Q))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert not guarded.open


async def test_closing_ends_the_probe(guarded: Guarded, moody: Moody) -> None:
    moody.error = StoreUnavailable("down")
    await fails(guarded, 5)
    await guarded.close()
    pings = moody.pings
    await asyncio.sleep(0.03)
    assert moody.pings == pings
    assert len(asyncio.all_tasks()) == 1


async def test_a_probe_that_dies_of_a_bug_does_not_leave_the_breaker_open(guarded: Guarded, moody: Moody) -> None:
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context["exception"]))
    moody.error = StoreUnavailable("down")
    await fails(guarded, 5)
    moody.error = ZeroDivisionError()
    await until(lambda: not guarded.open)
    await until(lambda: bool(heard))
    assert [type(error) for error in heard] == [ZeroDivisionError]


async def test_without_a_deadline_it_waits(moody: Moody, metrics: Metrics) -> None:
    guard = Guarded(moody, deadline=None, metrics=metrics, log=Log("test"), timer=time.perf_counter)
    assert await guard.get(Q) == [None]
    await guard.close()


async def test_opening_and_closing_are_told(guarded: Guarded, moody: Moody, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        moody.error = StoreUnavailable("down")
        await fails(guarded, 5)
        moody.error = None
        await until(lambda: not guarded.open)
    assert [record.getMessage() for record in caplog.records] == ["store_breaker_opened", "store_breaker_closed"]


async def test_a_stopped_server_is_skipped_and_found_again(
    start_valkey: Callable[..., Valkey], clock: Clock, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real thing: SIGSTOP, misses, SIGCONT, hits. Nobody sees an error."""
    monkeypatch.setattr(circuit, "_PROBE_SECONDS", 0.2)
    valkey = start_valkey()
    settings = settings_of(valkey)
    writer, reader = RedisWriter(settings, "", clock), RedisReader(settings, "", clock)
    guard = Guarded(reader, deadline=0.2, metrics=metrics, log=Log("test"), timer=time.perf_counter)
    tier = Tiered(MemoryStore(0, metrics), guard, recheck=60.0, clock=clock)
    entry = make_entry(clock)
    await writer.put([entry])
    await tier.ping()

    async def hit() -> bool:
        return [one is not None for one in await tier.get([entry.lookup])] == [True]

    async def until_hit() -> None:
        async with asyncio.timeout(20):
            while not await hit():
                await asyncio.sleep(0.01)

    await until_hit()
    valkey.pause()
    while not guard.open:
        assert not await hit()
    assert count(metrics, "timeout") >= 5
    assert not await hit()
    assert count(metrics, "open") >= 1
    valkey.resume()
    await until(lambda: not guard.open)
    await until_hit()
    await tier.close()
    await writer.close()
