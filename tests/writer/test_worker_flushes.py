"""The worker and flushes: carried out beside everything else, by whichever writer lives; nothing flushed comes back."""

import asyncio
import time
from dataclasses import replace

import pytest

from askonce.bus.local import LocalBus
from askonce.core import wire
from askonce.core.entry import Entry
from askonce.core.events import Flushed
from askonce.telemetry.metrics import Metrics
from tests.bus.kit import drained, gather, key, until
from tests.writer import worlds
from tests.writer.kit import DictStore, working
from tests.writer.worlds import answer, entry, value

short_pauses = worlds.short_pauses
world = worlds.world


def of(home: str, number: int, stored_at: float | None = None) -> Entry:
    return replace(entry(number, stored_at=stored_at), home=home)


class Gate:
    """Holds up every flush until it is opened. `begun` counts those that came to it."""

    def __init__(self, store: DictStore) -> None:
        self.begun = 0
        self.open = asyncio.Event()
        store.in_flush = self._pass

    async def _pass(self) -> None:
        self.begun += 1
        await self.open.wait()


async def test_a_flush_is_carried_out_once_and_leaves_what_others_kept_and_what_is_younger(world):
    publisher, consumer, store, metrics = await world.publisher(), await world.consumer(), DictStore(), Metrics()
    now = time.time()
    goes, stays = [of("", n, now - 5) for n in range(3)], [of("team", 7, now - 5), of("", 8, now + 1)]
    await store.put([*goes, *stays])
    async with working(consumer, store, metrics):
        await publisher.flush("", now, within=20)
        await until(lambda: store.flushed == 1)
        assert list(store.entries.values()) == stays
        assert await (await world.consumer()).deleted(256, 1) == [], "it was acknowledged"
    assert value(metrics, "askonce_writer_deleted_total", "dict") == 3
    assert store.flushed == 1


async def test_neither_answers_nor_deletions_wait_for_a_flush(world):
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()
    gate = Gate(store)
    async with working(consumer, store):
        await publisher.flush("", time.time(), within=20)
        await until(lambda: gate.begun == 1)
        await publisher.publish(answer(of("", 1), of("", 2)))
        await until(lambda: len(store.entries) == 2)
        await publisher.delete([key(1)], time.time(), within=20, confirm=True)
        assert set(store.entries) == {key(2)}
        await drained(consumer)
        assert (gate.begun, store.flushed) == (1, 0)
        gate.open.set()
        await until(lambda: store.flushed == 1)
    assert set(store.entries) == {key(2)}


async def test_a_long_flush_is_no_other_writers_as_long_as_its_writer_lives(world):
    """Far longer than a delivery may be kept without an extension."""
    publisher, consumer, other, store = (
        await world.publisher(),
        await world.consumer(),
        await world.consumer(),
        DictStore(),
    )
    gate = Gate(store)
    async with working(consumer, store):
        await publisher.flush("", time.time(), within=20)
        await until(lambda: gate.begun == 1)
        assert await other.deleted(256, 3 * consumer.ack_wait) == []
        gate.open.set()
        await until(lambda: store.flushed == 1)
        assert await other.deleted(256, 1.5 * consumer.ack_wait) == []


async def test_a_killed_writers_flush_is_taken_up_by_another(world):
    publisher, killed, consumer, store = (
        await world.publisher(),
        await world.consumer(),
        await world.consumer(),
        DictStore(),
    )
    await store.put([of("", 1)])
    await publisher.flush("", time.time(), within=20)
    assert len(await gather(killed.deleted, 1)) == 1  # and not another word of it
    async with working(consumer, store):
        await until(lambda: store.flushed == 1)
    assert store.entries == {}


async def test_a_writer_that_is_told_to_stop_hands_its_flush_back_at_once(world):
    publisher, consumer, store, other = await world.publisher(), await world.consumer(), DictStore(), DictStore()
    gate = Gate(store)
    async with working(consumer, store):
        await publisher.flush("", time.time(), within=20)
        await until(lambda: gate.begun == 1)
    assert store.flushed == 0
    async with working(await world.consumer(), other):
        await until(lambda: other.flushed == 1)


async def test_a_writer_that_is_told_to_stop_hands_back_what_it_had_not_begun_too():
    """Long before the queue would hand it out again by itself."""
    bus, store = LocalBus(time.time, ack_wait=300.0), DictStore()
    publisher, consumer, gate = bus.publisher(), bus.consumer(), Gate(store)
    flushes = {Flushed(namespace, time.time()) for namespace in ("", "team", "team2")}
    for flush in flushes:
        await publisher.flush(flush.namespace, flush.at, within=20)
    async with working(consumer, store):
        await until(lambda: gate.begun == 1)
    assert (gate.begun, store.flushed) == (1, 0)
    assert {wire.decode(one.data) for one in await gather(bus.consumer().deleted, 3)} == flushes


async def test_a_flush_waits_for_a_store_that_is_away(world):
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()
    await store.put([of("", 1)])
    store.down = True
    async with working(consumer, store):
        await publisher.flush("", time.time(), within=20)
        await until(lambda: store.pings >= 2)
        store.down = False
        await until(lambda: store.flushed == 1)
    assert store.entries == {}


async def test_a_flush_that_meets_a_bug_is_tried_again_and_ends_nothing(world):
    publisher, consumer, store, metrics = await world.publisher(), await world.consumer(), DictStore(), Metrics()
    failures = [KeyError("nobody thought of this")]

    async def fail() -> None:
        if failures:
            raise failures.pop()

    store.in_flush = fail
    async with working(consumer, store, metrics):
        await publisher.flush("", time.time(), within=20)
        await until(lambda: store.flushed == 1)
        await publisher.publish(answer(of("", 1)))
        await until(lambda: len(store.entries) == 1)
    assert value(metrics, "askonce_writer_retries_total", "dict", "failed") == 1


async def test_flushes_of_several_namespaces_are_carried_out_one_after_another(world):
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()
    gate = Gate(store)
    await store.put([of("", 1), of("team", 2), of("team2", 3)])
    async with working(consumer, store):
        for namespace in ("", "team"):
            await publisher.flush(namespace, time.time(), within=20)
        await until(lambda: gate.begun == 1)
        gate.open.set()
        await until(lambda: store.flushed == 2)
    assert set(store.entries) == {key(3)}


@pytest.mark.parametrize("overtaken", [True, False], ids=["before", "during"])
async def test_an_answer_asked_for_before_a_flush_does_not_stay(world, overtaken):
    """Known before the put, or made between the first look and the end of it."""
    publisher, consumer, store, metrics = await world.publisher(), await world.consumer(), DictStore(), Metrics()
    asked = time.time()

    async def flush() -> None:
        store.after_put = None
        await publisher.flush("", time.time(), within=20)

    if overtaken:
        await flush()
        await consumer.tombstones.refresh()
    else:
        store.after_put = flush
    await publisher.publish(answer(of("", 1), of("team", 2), asked_at=asked))
    async with working(consumer, store, metrics):
        await drained(consumer)
        await until(lambda: set(store.entries) == {key(2)})
        await publisher.publish(answer(of("", 1), asked_at=time.time()))
        await until(lambda: set(store.entries) == {key(1), key(2)})
        await drained(consumer)
    assert value(metrics, "askonce_writer_refused_total", "dict", "deleted") == 1


async def test_what_a_dead_writer_put_after_the_flush_had_passed_is_taken_out_again(world):
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()
    event = answer(of("", 1))
    await publisher.publish(event)
    assert len(await consumer.answered(1, 5)) == 1
    await publisher.flush("", time.time(), within=20)
    async with working(await world.consumer(), store):
        await until(lambda: store.flushed == 1)
    await store.put(event.entries)  # it died before its second look
    async with working(await world.consumer(), store):
        await drained(consumer)
    assert store.entries == {}
