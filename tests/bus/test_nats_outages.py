"""What only a real nats-server can do: be killed, freeze, lose its disk, not be there, or be of another kind."""

import asyncio

import nats
import pytest
from nats.js.api import ConsumerConfig
from nats.js.errors import NotFoundError

from askonce.bus import names
from askonce.bus.link import Link
from askonce.bus.streams import ensure_streams
from askonce.config.settings import ProxySettings
from askonce.core import wire
from askonce.core.errors import BusUnavailable
from askonce.core.events import Deleted
from askonce.telemetry.metrics import Metrics
from tests.bus import nats_world
from tests.bus.kit import NOW, Ears, answer, gather, key, until
from tests.bus.nats_world import LOG
from tests.servers import NatsServer, free_port

server = nats_world.server
world = nats_world.world


async def test_a_killed_server_loses_nothing_and_both_sides_recover(world):
    publisher, consumer, ears = await world.publisher(), await world.consumer(), Ears()
    await publisher.listen(ears.hear, ears.miss)
    kept = [answer(number) for number in range(50)]
    for event in kept:
        await publisher.publish(event)
    await publisher.delete([key(7)], NOW, within=10, confirm=False)
    await until(lambda: len(ears.events) == 1)
    world.server.kill()
    await until(lambda: not publisher.connected)
    with pytest.raises(BusUnavailable):
        await publisher.publish(answer(100))
    publisher.tell(answer(101))
    with pytest.raises(BusUnavailable):
        await consumer.answered(256, 0.1)
    with pytest.raises(BusUnavailable):
        await consumer.tombstones.refresh()
    world.server.start()
    await until(lambda: publisher.connected and ears.gaps == 1)

    got = []
    async with asyncio.timeout(20):
        while len(got) < 50:
            got += await patiently(consumer.answered)
    assert {wire.decode(one.data).id for one in got} == {event.id for event in kept}
    for delivery in got:
        await delivery.ack()
    await consumer.ping()
    publisher.tell(answer(102))
    await publisher.delete([key(8)], NOW + 1, within=10, confirm=False)
    await until(lambda: len(ears.events) == 3)
    assert Deleted((key(8),), NOW + 1) in ears.events
    await consumer.tombstones.refresh()
    assert (consumer.tombstones.at(key(7)), consumer.tombstones.at(key(8))) == (NOW, NOW + 1)
    await confirmed(publisher, consumer)


async def confirmed(publisher, consumer):
    """Deletes a key with confirmation, the consumer acknowledging whatever deletions come."""
    asked = asyncio.create_task(publisher.delete([key(9)], NOW, within=20, confirm=True))
    while not asked.done():
        for delivery in await patiently(consumer.deleted):
            await delivery.ack()
    await asked


async def patiently(fetch):
    try:
        return await fetch(256, 0.2)
    except BusUnavailable:
        await asyncio.sleep(0.05)
        return []


async def test_deletions_made_while_a_frontend_was_cut_off_reach_it(world, tmp_path):
    """Cut off: its server connection is dropped and refused for a while, others go on."""
    publisher, ears = await world.publisher(), Ears()
    await publisher.listen(ears.hear, ears.miss)
    other = await world.publisher()
    for _ in range(3):
        before = len(ears.events)
        await asyncio.gather(
            publisher._link.client.force_reconnect(),
            *(other.delete([key(number)], NOW, within=10, confirm=False) for number in range(20)),
        )
        await until(lambda before=before: len(ears.events) == before + 20)
    assert [event.keys[0] for event in ears.events[:20]] == [key(number) for number in range(20)]
    await until(lambda: ears.gaps == 3)


async def test_a_frozen_server_is_no_success_and_no_end(world):
    publisher, consumer = await world.publisher(), await world.consumer()
    await consumer.answered(1, 0)
    world.server.pause()
    with pytest.raises(BusUnavailable):
        await publisher.delete([key(1)], NOW, within=0.3, confirm=True)
    with pytest.raises(BusUnavailable):
        await consumer.answered(1, 0.1)
    world.server.resume()
    await publisher.publish(answer(1))
    assert len(await gather(consumer.answered, 1)) == 1


async def test_a_server_that_lost_its_disk_is_set_up_anew(world, tmp_path):
    publisher, consumer, ears = await world.publisher(), await world.consumer(), Ears()
    await publisher.listen(ears.hear, ears.miss)
    await publisher.delete([key(1), key(2)], NOW, within=10, confirm=False)
    await until(lambda: len(ears.events) == 2)
    client = await nats.connect(world.server.url)
    js = client.jetstream()
    for stream in (names.STREAM, names.DEAD_STREAM, names.TOMBSTONE_STREAM):
        await js.delete_stream(stream)
    await client.close()
    await patiently(consumer.answered)
    await patiently(consumer.answered)
    await publisher.publish(answer(1))
    assert len(await gather(consumer.answered, 1)) == 1
    await publisher.delete([key(3)], NOW, within=10, confirm=False)
    world.server.kill()
    world.server.start()
    await until(lambda: Deleted((key(3),), NOW) in ears.events)
    await until(lambda: ears.gaps >= 2)  # one of each feed, and the other feed may take longer


async def test_the_queue_keeps_answers_while_no_consumer_exists(world):
    publisher = await world.publisher()
    for number in range(10):
        await publisher.publish(answer(number))
    await publisher.close()
    world.server.kill()
    world.server.start()
    assert len(await gather((await world.consumer()).answered, 10)) == 10


async def test_a_server_that_is_not_there_is_named_without_credentials():
    url = f"nats://frontend:secret-word@127.0.0.1:{free_port()}"
    link = Link(url, name="test", inbox="_INBOX.test", metrics=Metrics(), log=LOG)

    async def nothing() -> None:
        raise AssertionError("never connected")

    with pytest.raises(BusUnavailable) as caught:
        await link.open(nothing, within=0.5)
    assert "127.0.0.1" in str(caught.value)
    assert "secret-word" not in str(caught.value)


async def test_a_server_without_jetstream_is_named_as_such(tmp_path):
    class Plain(NatsServer):
        def command(self):
            return [self._binary, "-a", "127.0.0.1", "-p", str(self.port)]

    server = Plain(tmp_path)
    server.start()
    link = Link(server.url, name="test", inbox="_INBOX.test", metrics=Metrics(), log=LOG)
    try:
        with pytest.raises(BusUnavailable, match="creating the stream ASKONCE"):
            await link.open(
                lambda: ensure_streams(link.client.jetstream(), ProxySettings(queue_bytes=1 << 20), update=False),
                within=0.5,
            )
    finally:
        server.kill()


async def test_a_client_that_nats_py_gave_up_is_replaced(world):
    publisher, ears = await world.publisher(), Ears()
    await publisher.listen(ears.hear, ears.miss)
    await publisher._link.client._process_err("'maximum connections exceeded'")
    await until(lambda: publisher.connected and ears.gaps == 1)
    publisher.tell(answer(1))
    await until(lambda: len(ears.events) == 1)


async def test_a_consumer_deleted_by_hand_is_made_anew(world):
    publisher, consumer = await world.publisher(), await world.consumer()
    client = await nats.connect(world.server.url)
    await consumer.answered(1, 0)
    await client.jetstream().delete_consumer(names.STREAM, "redis")
    with pytest.raises(BusUnavailable):
        await consumer.answered(1, 0)
    await publisher.publish(answer(1))
    assert len(await gather(consumer.answered, 1)) == 1
    info = await client.jetstream().consumer_info(names.STREAM, "redis")
    assert isinstance(info.config, ConsumerConfig)
    assert (info.config.max_deliver, info.config.max_ack_pending) == (-1, 4096)
    with pytest.raises(NotFoundError):
        await client.jetstream().consumer_info(names.STREAM, "disk")
    await client.close()
