"""The worker on a real bus (in process, and NATS) with a store that fails on demand."""

import asyncio
import time
from dataclasses import replace

from askonce.core import wire
from askonce.telemetry.metrics import Metrics
from tests.bus.kit import drained, gather, insist, key, until
from tests.bus.nats_world import NatsWorld
from tests.servers import NatsServer
from tests.writer import worlds
from tests.writer.kit import DictStore, working
from tests.writer.worlds import LocalWorld, answer, entry, value

short_pauses = worlds.short_pauses
world = worlds.world


async def test_answers_are_persisted_in_batches_and_counted(world):
    publisher, consumer, store, metrics = await world.publisher(), await world.consumer(), DictStore(), Metrics()
    for number in range(300):
        await publisher.publish(answer(entry(number)))
    async with working(consumer, store, metrics):
        await until(lambda: len(store.entries) == 300)
        await drained(consumer)
        assert value(metrics, "askonce_writer_persisted_total", "dict") == 300
    assert store.puts == [256, 44]


async def test_a_poison_message_holds_nothing_up(world):
    publisher, consumer, store, metrics = await world.publisher(), await world.consumer(), DictStore(), Metrics()
    await publisher.publish(answer(entry(1)))
    await world.raw(b"not a frame of ours")
    await publisher.publish(answer(entry(2)))
    async with working(consumer, store, metrics):
        await until(lambda: len(store.entries) == 2)
        await drained(consumer)
    assert await world.dead() == [("poison", b"not a frame of ours", 1)]
    assert value(metrics, "askonce_writer_dead_letters_total", "dict", "poison") == 1


async def test_a_refused_entry_is_found_and_the_rest_of_its_batch_persisted(world):
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()
    store.refuse.add(b"never")
    guilty = answer(entry(3), entry(4, b"never"), entry(5))
    for event in (answer(entry(1)), guilty, answer(entry(2))):
        await publisher.publish(event)
    async with working(consumer, store):
        await until(lambda: len(store.entries) == 4)
        await drained(consumer)
    assert set(store.entries) == {key(1), key(2), key(3), key(5)}
    assert await world.dead() == [("refused", wire.encode(guilty), 1)]


async def test_a_bug_in_the_store_costs_the_message_that_met_it_and_no_other(world):
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()
    store.break_on.add(b"bug")
    event = answer(entry(1, b"bug"))
    await publisher.publish(event)
    for number in (2, 3):
        await publisher.publish(answer(entry(number)))
    async with working(consumer, store):
        await until(lambda: len(store.entries) == 2)
        async with asyncio.timeout(30):
            while not await world.dead():
                await asyncio.sleep(0.05)
    assert await world.dead() == [("failed", wire.encode(event), 5)]


async def test_old_answers_whose_deletion_may_be_forgotten_are_dead_letters(world):
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()
    event = answer(entry(1), asked_at=time.time() - 8 * 86400)
    await publisher.publish(event)
    async with working(consumer, store):
        async with asyncio.timeout(20):
            while not await world.dead():
                await asyncio.sleep(0.01)
    assert (await world.dead())[0][0] == "too-old"
    assert store.entries == {}


async def test_expired_entries_are_not_written(world):
    publisher, consumer, store, metrics = await world.publisher(), await world.consumer(), DictStore(), Metrics()
    await publisher.publish(answer(entry(1, ttl=5, stored_at=time.time() - 6), entry(2, ttl=3600)))
    async with working(consumer, store, metrics):
        await drained(consumer)
    assert set(store.entries) == {key(2)}
    assert value(metrics, "askonce_writer_refused_total", "dict", "expired") == 1


async def test_a_store_that_is_down_for_a_while_loses_nothing(world):
    publisher, consumer, store, metrics = await world.publisher(), await world.consumer(), DictStore(), Metrics()
    store.down = True
    for number in range(20):
        await publisher.publish(answer(entry(number)))
    async with working(consumer, store, metrics):
        await until(lambda: store.pings >= 2)
        for number in range(20, 40):
            await publisher.publish(answer(entry(number)))
        assert store.entries == {}
        store.down = False
        await until(lambda: len(store.entries) == 40)
        await drained(consumer)
    assert await world.dead() == []
    assert value(metrics, "askonce_writer_retries_total", "dict", "store-unavailable") == 0


async def test_a_store_that_answers_pings_and_takes_no_writes_loses_nothing(world, monkeypatch):
    """Out of memory, read-only, or its disk is full; for longer than a message may be kept, and more often than one
    may be delivered."""
    publisher, consumer, other = await world.publisher(), await world.consumer(), await world.consumer()
    monkeypatch.setattr("askonce.writer.settle.LONGEST_PAUSE", 0.1)
    store = DictStore()
    store.full = 30
    for number in range(20):
        await publisher.publish(answer(entry(number)))
    meanwhile = []
    async with working(consumer, store):
        await until(lambda: store.full < 30)
        async with asyncio.timeout(60):
            while store.full:
                meanwhile += await other.answered(256, 0.1)
        await until(lambda: len(store.entries) == 20)
        await drained(consumer)
    assert (meanwhile, await world.dead()) == ([], [])


async def test_a_stop_hands_back_what_the_store_does_not_take(world):
    publisher, consumer, other = await world.publisher(), await world.consumer(), await world.consumer()
    store, metrics = DictStore(), Metrics()
    store.full = 1_000_000
    for number in range(20):
        await publisher.publish(answer(entry(number)))
    async with working(consumer, store, metrics):
        await until(lambda: store.full < 999_997)
    assert value(metrics, "askonce_writer_retries_total", "dict", "store-unavailable") == 20
    assert {delivery.deliveries for delivery in await gather(other.answered, 20)} == {2}


async def test_one_message_among_many_refused_meets_an_outage(world):
    """The batch is refused, tried one by one, and the store goes away in the middle of that."""
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()
    store.refuse.add(b"never")
    guilty = answer(entry(0, b"never"))

    async def fall_full() -> None:
        store.after_put, store.full = None, 5

    store.after_put = fall_full
    for event in (guilty, answer(entry(1)), answer(entry(2)), answer(entry(3))):
        await publisher.publish(event)
    async with working(consumer, store):
        await until(lambda: len(store.entries) == 3)
        await drained(consumer)
    assert await world.dead() == [("refused", wire.encode(guilty), 1)]


async def test_of_several_answers_to_one_question_the_newest_stays(world):
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()
    now = time.time()
    newest = entry(1, b"newest", stored_at=now + 2)
    for one in (entry(1, b"old", stored_at=now), newest, entry(1, b"older", stored_at=now - 2)):
        await publisher.publish(replace(answer(one), asked_at=now - 5))
    async with working(consumer, store):
        await drained(consumer)
    assert store.entries == {key(1): newest}


async def test_a_stop_finishes_the_batch_in_hand(world):
    publisher, consumer, store = await world.publisher(), await world.consumer(), DictStore()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def linger() -> None:
        begun.set()
        await go_on.wait()

    store.after_put = linger
    await publisher.publish(answer(entry(1)))
    async with working(consumer, store):
        async with asyncio.timeout(20):
            await begun.wait()
        asyncio.get_running_loop().call_later(0.1, go_on.set)
    await drained(consumer)
    assert key(1) in store.entries


async def test_a_queue_that_is_away_is_waited_for():
    world, store = LocalWorld(), DictStore()
    publisher = await world.publisher()
    await publisher.publish(answer(entry(1)))
    world.bus.disconnect()
    async with working(await world.consumer(), store):
        await asyncio.sleep(0.1)
        assert store.entries == {}
        world.bus.reconnect()
        await until(lambda: len(store.entries) == 1)


async def test_a_killed_server_is_waited_for(tmp_path, request):
    server = NatsServer(tmp_path / "nats")
    server.start()
    world, store = NatsWorld(server), DictStore()
    request.addfinalizer(server.kill)
    publisher, consumer = await world.publisher(), await world.consumer()
    async with working(consumer, store):
        await publisher.publish(answer(entry(1)))
        await until(lambda: len(store.entries) == 1)
        server.kill()
        server.start()
        await until(lambda: publisher.connected)
        await insist(publisher, answer(entry(2)))
        await until(lambda: len(store.entries) == 2)
        await publisher.delete([key(1)], time.time(), within=20, confirm=True)
        assert set(store.entries) == {key(2)}
    await world.close()


async def test_the_sweep_runs_and_outlives_an_outage(monkeypatch):
    monkeypatch.setattr("askonce.writer.sweep.EVERY", 0.02)
    world, store, metrics = LocalWorld(), DictStore(), Metrics()
    store.down = True
    async with working(await world.consumer(), store, metrics):
        await asyncio.sleep(0.1)
        store.entries[key(1)] = entry(1, ttl=1, stored_at=time.time() - 2)
        store.entries[key(2)] = entry(2)
        store.down = False
        await until(lambda: set(store.entries) == {key(2)})
    assert value(metrics, "askonce_writer_swept_total", "dict") == 1
