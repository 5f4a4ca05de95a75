"""The contract over a real nats-server, and what is particular to its streams, buckets and clients."""

import asyncio
import time

import nats

from askonce.bus import names
from askonce.bus.nats import open_consumer, open_frontend_bus
from askonce.bus.streams import ensure_keys, ensure_streams
from askonce.config.settings import ProxySettings
from askonce.core import wire
from askonce.core.events import Cooled, Deleted
from askonce.telemetry.metrics import Metrics
from tests.bus import nats_world
from tests.bus.contract import BusContract
from tests.bus.kit import NOW, Ears, answer, gather, key, pends, until
from tests.bus.nats_world import LOG
from tests.servers import NatsServer, free_port

server = nats_world.server
world = nats_world.world


class TestNatsBus(BusContract):
    pass


async def test_streams_are_created_by_five_at_once(server):
    clients = [await nats.connect(server.url) for _ in range(5)]
    settings = ProxySettings(queue_bytes=1 << 20)
    await asyncio.gather(*(ensure_streams(client.jetstream(), settings, update=False) for client in clients))
    await asyncio.gather(*(ensure_keys(client.jetstream(), settings) for client in clients))
    assert {stream.config.name for stream in await clients[0].jetstream().streams_info()} == {
        names.STREAM,
        names.DEAD_STREAM,
        names.TOMBSTONE_STREAM,
        names.KEY_STREAM,
    }
    for client in clients:
        await client.close()


async def test_five_writers_and_five_frontends_start_at_once(world):
    opened = await asyncio.gather(*(world.publisher() for _ in range(5)), *(world.consumer() for _ in range(5)))
    await opened[0].publish(answer(1))
    assert len(await gather(opened[-1].answered, 1)) == 1


async def test_a_new_queue_size_is_taken_over_by_frontends_and_loses_nothing(world):
    await (await world.publisher()).publish(answer(1, b"x" * 500_000))
    world.settings = ProxySettings(queue_bytes=2 << 20)
    consumer = await world.consumer()
    assert await queue_bytes(world.server) == 1 << 20
    await world.publisher()
    assert await queue_bytes(world.server) == 2 << 20
    await pends(consumer, 1)


async def queue_bytes(server: NatsServer) -> int | None:
    client = await nats.connect(server.url)
    info = await client.jetstream().stream_info(names.STREAM)
    await client.close()
    return info.config.max_bytes


async def test_the_bucket_is_one_for_the_tools_of_nats(world):
    publisher = await world.publisher()
    await publisher.delete([key(1, "a:b")], NOW, within=10, confirm=False)
    client = await nats.connect(world.server.url)
    bucket = await client.jetstream().key_value(names.TOMBSTONES)
    written = await bucket.get(names.token(key(1, "a:b")))
    assert wire.decode(written.value) == Deleted((key(1, "a:b"),), NOW)
    await bucket.delete(names.token(key(1, "a:b")))
    consumer = await world.consumer()
    await consumer.tombstones.refresh()
    assert consumer.tombstones.at(key(1, "a:b")) is None
    await client.close()


async def test_both_open_with_the_signatures_of_the_composition_root(world):
    consumer = await open_consumer(
        world.server.url,
        store="disk",
        settings=world.settings,
        metrics=Metrics(),
        log=LOG,
        name="writer-1",
        clock=time.time,
    )
    bus = await open_frontend_bus(
        f"{world.server.url},nats://127.0.0.1:{free_port()}",
        store="disk",
        settings=world.settings,
        metrics=Metrics(),
        log=LOG,
        name="frontend-1",
    )
    event = answer(1)
    await bus.publisher.publish(event)
    (delivery,) = await gather(consumer.answered, 1)
    assert wire.decode(delivery.data) == event
    await delivery.ack()
    await consumer.close()
    await bus.close()


async def test_what_was_fetched_and_not_handed_out_goes_back_at_once(world):
    publisher = await world.publisher()
    first = await world.consumer()
    for number in range(4):
        await publisher.publish(answer(number))
    pull = first._answers
    await first.answered(1, 5)
    await pull._ask({"batch": 3, "no_wait": True}, 3, 5)
    await first.close()
    assert len(await gather((await world.consumer()).answered, 4)) == 4


async def test_a_listener_too_slow_for_its_feed_is_told_of_the_gap(world):
    publisher, ears = await world.publisher(), Ears()
    await publisher.listen(ears.hear, ears.miss)
    told = next(feed for feed in publisher._feeds if getattr(feed, "_subject", "") == names.TOLD)
    slow = nats.errors.SlowConsumerError(names.TOLD, "", 1, told._subscription)
    await publisher._link.client._error_cb(slow)
    assert ears.gaps == 1


async def test_a_bug_in_a_listener_does_not_end_its_feed(world):
    publisher, heard = await world.publisher(), []

    def hear(event):
        heard.append(event)
        if len(heard) == 1:
            raise KeyError("a bug")

    await publisher.listen(hear, lambda: None)
    for number in range(2):
        await publisher.delete([key(number)], NOW, within=10, confirm=False)
    await until(lambda: len(heard) == 2)


async def test_an_event_of_a_later_version_is_passed_over_by_who_does_not_know_it(world):
    publisher, ears = await world.publisher(), Ears()
    await publisher.listen(ears.hear, ears.miss)
    unknown = bytearray(wire.encode(Cooled("a-deployment", NOW)))
    unknown[3:4] = b"?"  # the letter of its kind
    client = await nats.connect(world.server.url)
    await client.publish(names.TOLD, bytes(unknown))
    await client.flush()
    await client.close()
    publisher.tell(Cooled("a-deployment", NOW))
    await until(lambda: bool(ears.events))
    assert (ears.events, ears.gaps) == ([Cooled("a-deployment", NOW)], 0)
