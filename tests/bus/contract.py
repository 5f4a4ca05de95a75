"""What every bus promises, as tests: each implementation runs them all."""

import asyncio
from dataclasses import replace

import pytest

from askonce.core import wire
from askonce.core.errors import BusRefused, BusUnavailable
from askonce.core.events import Answered, Cooled, Deleted, Superseded
from tests.bus.flushing import FlushContract
from tests.bus.kit import NOW, Ears, World, answer, drained, entry, gather, insist, key, pends, until


class BusContract(FlushContract):
    async def test_an_answer_comes_as_it_was_published_and_goes_when_acknowledged(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        event = Answered("one", NOW, (entry(1, b"\x00\xff"), entry(2)))
        await publisher.publish(event)
        await pends(consumer, 1)
        (delivery,) = await consumer.answered(256, 5)
        assert (wire.decode(delivery.data), delivery.deliveries) == (event, 1)
        await delivery.ack()
        await drained(consumer)
        assert await consumer.answered(256, 0.6) == []

    async def test_an_empty_queue_gives_an_empty_batch(self, world: World) -> None:
        consumer = await world.consumer()
        assert await consumer.answered(256, 0.01) == []
        assert await consumer.deleted(256, 0) == []

    async def test_a_waiting_consumer_gets_what_is_published_meanwhile(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        waiting = asyncio.create_task(consumer.answered(256, 20))
        await asyncio.sleep(0.05)
        await publisher.publish(answer(1))
        assert len(await waiting) == 1

    async def test_what_is_not_settled_comes_again(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        await publisher.publish(answer(1))
        (first,) = await consumer.answered(256, 5)
        (again,) = await gather(consumer.answered, 1)
        assert (again.data, again.deliveries) == (first.data, 2)

    async def test_a_retry_comes_again(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        await publisher.publish(answer(1))
        for deliveries in (1, 2, 3):
            (delivery,) = await gather(consumer.answered, 1)
            assert delivery.deliveries == deliveries
            await delivery.retry(0.05)
        await (await gather(consumer.answered, 1))[0].ack()
        await drained(consumer)

    async def test_a_retry_does_not_come_before_its_time(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        await publisher.publish(answer(1))
        (delivery,) = await consumer.answered(256, 5)
        await delivery.retry(3600)
        assert await consumer.answered(256, 1) == []
        await pends(consumer, 1)

    async def test_what_is_extended_comes_to_nobody_else(self, world: World) -> None:
        publisher, consumer, other = await world.publisher(), await world.consumer(), await world.consumer()
        await publisher.publish(answer(1))
        (delivery,) = await consumer.answered(256, 5)
        for _ in range(8):
            await delivery.extend()
            assert await other.answered(256, consumer.ack_wait / 4) == []
        await delivery.retry(0)
        (again,) = await gather(other.answered, 1)
        assert again.deliveries == 2
        await again.ack()
        await again.extend()  # late, and no harm
        await drained(consumer)

    async def test_a_rejected_message_is_a_dead_letter_with_its_reason(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        event = answer(1)
        await publisher.publish(event)
        await (await consumer.answered(256, 5))[0].retry(0)
        (delivery,) = await gather(consumer.answered, 1)
        await delivery.reject("poison")
        assert await world.dead() == [("poison", wire.encode(event), 2)]
        await drained(consumer)
        assert await consumer.answered(256, 0.6) == []

    async def test_the_depth_is_of_all_that_waits_and_of_the_dead(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        assert await consumer.depth() == (0, 0, world.capacity, 0)
        for number in range(3):
            await publisher.publish(answer(number, b"x" * 1000))
        depth = await consumer.depth()
        assert (depth.messages, depth.limit, depth.dead) == (3, world.capacity, 0)
        assert 3000 < depth.size < 6000
        first, second, _ = await gather(consumer.answered, 3)
        await first.reject("poison")
        await second.ack()
        await pends(consumer, 1)
        depth = await consumer.depth()
        assert (depth.messages, depth.dead) == (1, 1)
        assert 1000 < depth.size < 2000

    async def test_the_same_event_twice_is_queued_once(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        event = answer(1)
        await publisher.publish(event)
        await publisher.publish(event)
        await publisher.publish(replace(event, id="another"))
        assert [wire.decode(one.data).id for one in await gather(consumer.answered, 2)] == [event.id, "another"]

    async def test_a_batch_is_never_larger_than_asked_for(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        for number in range(10):
            await publisher.publish(answer(number))
        batches = [await consumer.answered(4, 5) for _ in range(3)]
        assert [len(batch) for batch in batches] == [4, 4, 2]

    async def test_two_consumers_share_the_work(self, world: World) -> None:
        publisher, first, second = await world.publisher(), await world.consumer(), await world.consumer()
        for number in range(20):
            await publisher.publish(answer(number))
        got = [*await first.answered(5, 5), *await second.answered(256, 5), *await first.answered(256, 0)]
        assert sorted(wire.decode(one.data).entries[0].key.digest for one in got) == [
            key(number).digest for number in range(20)
        ]
        assert all(one.deliveries == 1 for one in got)

    async def test_a_full_queue_refuses_and_takes_again_once_drained(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        payload = b"x" * (world.capacity // 8)
        accepted = 0
        with pytest.raises(BusUnavailable):
            for number in range(20):
                await publisher.publish(answer(number, payload))
                accepted += 1
        assert accepted > 4
        for delivery in await gather(consumer.answered, accepted):
            await delivery.ack()
        await insist(publisher, answer(99, payload))

    async def test_a_refused_publish_may_be_repeated_under_its_name(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        payload = b"x" * (world.capacity // 8)
        event = answer(0, payload)
        with pytest.raises(BusUnavailable):
            for _ in range(20):
                event = answer(0, payload)
                await publisher.publish(event)
        for delivery in await consumer.answered(256, 5):
            await delivery.ack()
        await insist(publisher, event)
        (delivery,) = await gather(consumer.answered, 1)
        assert wire.decode(delivery.data) == event

    async def test_too_large_an_answer_is_refused_for_good(self, world: World) -> None:
        publisher = await world.publisher()
        with pytest.raises(BusRefused):
            await publisher.publish(answer(1, b"x" * publisher.max_payload))
        assert publisher.connected
        await publisher.ping()

    async def test_what_is_told_reaches_every_listener(self, world: World) -> None:
        publishers = [await world.publisher() for _ in range(3)]
        ears = [Ears() for _ in publishers]
        for publisher, ear in zip(publishers, ears, strict=True):
            await publisher.listen(ear.hear, ear.miss)
        told = [answer(1), Superseded((key(2),), NOW), Deleted((key(3),), NOW), Cooled("a-deployment", NOW + 60)]
        for event in told:
            publishers[0].tell(event)
        for ear in ears:
            await until(lambda ear=ear: len(ear.events) == 4)
            assert (ear.events, ear.gaps) == (told, 0)

    async def test_what_is_told_is_not_queued(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        publisher.tell(answer(1))
        await publisher.ping()
        assert await consumer.answered(256, 0.1) == []

    async def test_an_oversized_tale_is_dropped_in_silence(self, world: World) -> None:
        publisher, ears = await world.publisher(), Ears()
        await publisher.listen(ears.hear, ears.miss)
        fitting = answer(2)
        publisher.tell(answer(1, b"x" * publisher.max_payload))
        publisher.tell(fitting)
        await until(lambda: len(ears.events) == 1)
        assert ears.events == [fitting]

    async def test_deletions_reach_listeners_in_order_and_each_once(self, world: World) -> None:
        publisher, other, ears = await world.publisher(), await world.publisher(), Ears()
        await other.delete([key(99)], NOW, within=10, confirm=False)  # before anyone listened
        await publisher.listen(ears.hear, ears.miss)
        expected = [Deleted((key(number),), NOW + number) for number in range(50)]
        for number in range(50):
            await other.delete([key(number)], NOW + number, within=10, confirm=False)
        await until(lambda: len(ears.events) >= 50)
        assert (ears.events, ears.gaps) == (expected, 0)

    async def test_a_deletion_is_confirmed_once_a_writer_acknowledges_it(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        keys = [key(number, "team:a") for number in range(100)]
        asked = asyncio.create_task(publisher.delete([*keys, keys[0]], NOW, within=20, confirm=True))
        deliveries = await gather(consumer.deleted, 100)
        assert {wire.decode(one.data) for one in deliveries} == {Deleted((one,), NOW) for one in keys}
        for delivery in deliveries[1:]:
            await delivery.ack()
        await consumer.ping()
        assert not asked.done()
        await deliveries[0].ack()
        await asked

    async def test_two_deletions_of_one_key_are_both_confirmed(self, world: World) -> None:
        publisher, other, consumer = await world.publisher(), await world.publisher(), await world.consumer()
        asked = [
            asyncio.create_task(each.delete([key(1)], at, within=20, confirm=True))
            for each, at in ((publisher, NOW), (other, NOW + 1), (publisher, NOW + 2))
        ]
        async with asyncio.timeout(20):
            while not all(one.done() for one in asked):
                for delivery in await consumer.deleted(256, 0.2):
                    await delivery.ack()
        await asyncio.gather(*asked)
        again = asyncio.create_task(publisher.delete([key(1)], NOW + 3, within=20, confirm=True))
        await (await gather(consumer.deleted, 1))[0].ack()
        await again

    async def test_a_deletion_that_nobody_confirms_is_no_success(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        with pytest.raises(BusUnavailable):
            await publisher.delete([key(1)], NOW, within=0.2, confirm=True)
        assert len(await gather(consumer.deleted, 1)) == 1

    async def test_a_refresh_shows_every_deletion_made_before(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        await consumer.tombstones.refresh()
        assert consumer.tombstones.at(key(1)) is None
        for at in range(20):
            await publisher.delete([key(1), key(2)], NOW + at, within=10, confirm=False)
            await consumer.tombstones.refresh()
            assert consumer.tombstones.at(key(1)) == consumer.tombstones.at(key(2)) == NOW + at
        assert consumer.tombstones.at(key(3)) is None

    async def test_a_late_consumer_knows_earlier_deletions(self, world: World) -> None:
        publisher = await world.publisher()
        await publisher.delete([key(1)], NOW, within=10, confirm=False)
        consumer = await world.consumer()
        assert consumer.tombstones.at(key(1)) == NOW
        assert len(await gather(consumer.deleted, 1)) == 1
