"""The worker and deletions: they are confirmed, and no answer that was asked for before comes back after one."""

import asyncio
import time

import pytest

from askonce.telemetry.metrics import Metrics
from tests.bus.kit import drained, key, until
from tests.writer import worlds
from tests.writer.kit import DictStore, working
from tests.writer.worlds import answer, entry, value

short_pauses = worlds.short_pauses
world = worlds.world


async def test_deletions_are_done_while_the_store_takes_no_writes(world):
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()
    kept = entry(1)
    await store.put([kept])
    store.full = 1_000_000
    await publisher.publish(answer(entry(2)))
    async with working(consumer, store):
        await until(lambda: store.full < 999_999)
        await publisher.delete([key(1)], time.time(), within=20, confirm=True)
        assert store.entries == {}
        store.full = 0
        await until(lambda: len(store.entries) == 1)


async def test_a_deletion_is_done_and_confirmed(world):
    publisher, consumer, store, metrics = await world.publisher(), await world.consumer(), DictStore(), Metrics()
    await publisher.publish(answer(entry(1), entry(2)))
    async with working(consumer, store, metrics):
        await until(lambda: len(store.entries) == 2)
        await publisher.delete([key(1), key(99)], time.time(), within=20, confirm=True)
        assert set(store.entries) == {key(2)}
        store.down = True
        again = asyncio.create_task(publisher.delete([key(2)], time.time(), within=20, confirm=True))
        await until(lambda: store.pings >= 1)
        assert not again.done()
        store.down = False
        await again
        assert store.entries == {}
    assert value(metrics, "askonce_writer_deleted_total", "dict") == 3


async def test_an_answer_asked_before_a_deletion_does_not_bring_the_entry_back(world):
    """The deletion overtakes the answer in the queue."""
    publisher, consumer, store, metrics = await world.publisher(), await world.consumer(), DictStore(), Metrics()
    asked = time.time()
    await publisher.delete([key(1)], asked + 1, within=20, confirm=False)
    await consumer.tombstones.refresh()
    await publisher.publish(answer(entry(1), asked_at=asked))
    await publisher.publish(answer(entry(1, b"later"), asked_at=asked + 2))
    async with working(consumer, store, metrics):
        await drained(consumer)
        await until(lambda: value(metrics, "askonce_writer_deleted_total", "dict") == 1)
        await publisher.publish(answer(entry(1, b"later"), asked_at=asked + 3))
        await until(lambda: store.entries.get(key(1), entry(1)).payload == b"later")
        await drained(consumer)
    assert value(metrics, "askonce_writer_refused_total", "dict", "deleted") == 1


async def test_a_deletion_between_the_first_look_and_the_end_of_the_put_wins(world):
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()

    async def delete_once() -> None:
        store.after_put = None
        await publisher.delete([key(1)], time.time(), within=20, confirm=False)

    store.after_put = delete_once
    await publisher.publish(answer(entry(1), entry(2)))
    async with working(consumer, store):
        await drained(consumer)
    assert set(store.entries) == {key(2)}


async def test_a_confirmed_deletion_stays_so_though_a_put_was_under_way(world):
    """Another writer removes and confirms the key while this one's put has not come to its second look."""
    publisher, consumer, other = await world.publisher(), await world.consumer(), await world.consumer()
    store, late = DictStore(), entry(1)

    async def delete_meanwhile() -> None:
        store.after_put = None
        asked = asyncio.create_task(publisher.delete([key(1)], time.time(), within=20, confirm=True))
        while not asked.done():
            for delivery in await other.deleted(256, 0.1):
                await delivery.ack()
        await asked
        store.entries[key(1)] = late  # the put lands last of all

    store.after_put = delete_meanwhile
    await publisher.publish(answer(late))
    async with working(consumer, store):
        await drained(consumer)
    assert store.entries == {}


async def test_a_redelivered_put_after_a_deletion_does_not_bring_the_entry_back(world):
    """A writer put the entry and died before its second look; then the key was deleted."""
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()
    event = answer(entry(1))
    await publisher.publish(event)
    (delivery,) = await consumer.answered(1, 5)
    await store.put(event.entries)  # and no acknowledgement
    del delivery
    await publisher.delete([key(1)], time.time(), within=20, confirm=False)
    for deletion in await consumer.deleted(256, 5):
        await deletion.ack()  # the store's removal came before the dead writer's put
    await consumer.tombstones.refresh()
    assert set(store.entries) == {key(1)}
    async with working(consumer, store):
        await drained(consumer)
    assert store.entries == {}


@pytest.mark.parametrize("complete", [4, 6], ids=["older", "younger"])
async def test_a_late_redelivery_spares_an_answer_that_was_asked_for_after_the_deletion(world, complete):
    """Asked at 1 and handed back, deleted at 2, asked anew at 3 and persisted, then the first comes again. It was
    complete at 5: a slow answer may well be complete after one that was asked for later."""
    publisher, consumer, store, metrics = await world.publisher(), await world.consumer(), DictStore(), Metrics()
    now = time.time() - 10
    await publisher.publish(answer(entry(1, b"first", stored_at=now + 5), asked_at=now + 1))
    (delivery,) = await consumer.answered(1, 5)
    await publisher.delete([key(1)], now + 2, within=20, confirm=False)
    for deletion in await consumer.deleted(256, 5):
        await deletion.ack()
    await consumer.tombstones.refresh()
    second = entry(1, b"second", stored_at=now + complete)
    await store.put([second])
    await delivery.retry(0)
    async with working(consumer, store, metrics):
        await drained(consumer)
        await until(lambda: value(metrics, "askonce_writer_refused_total", "dict", "deleted") == 1)
    assert store.entries == {key(1): second}
