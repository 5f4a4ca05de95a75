"""Of the suite in `tests.bus.contract`: what a flush promises to frontends and to writers."""

from askonce.core import wire
from askonce.core.events import Deleted, Flushed
from tests.bus.kit import NOW, Ears, World, gather, key, until


class FlushContract:
    async def test_when_a_flush_returns_every_listener_has_heard_of_it(self, world: World) -> None:
        publishers = [await world.publisher() for _ in range(3)]
        ears = [Ears() for _ in publishers]
        for publisher, ear in zip(publishers, ears, strict=True):
            await publisher.listen(ear.hear, ear.miss)
        for number in range(40):
            event = Flushed(f"team:{number % 3}", NOW + number)
            await publishers[number % 3].flush(event.namespace, event.at, within=20)
            for ear in ears:
                assert event in ear.events
        for ear in ears:
            assert (ear.events[0], ear.gaps) == (Flushed("team:0", NOW), 0)

    async def test_a_flush_that_nobody_listens_for_is_one_too(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        await publisher.flush("", NOW, within=20)
        assert wire.decode((await gather(consumer.deleted, 1))[0].data) == Flushed("", NOW)

    async def test_who_listens_later_hears_the_last_flush_of_each_namespace_first_of_all(self, world: World) -> None:
        publisher, ears = await world.publisher(), Ears()
        await publisher.delete([key(1)], NOW, within=20, confirm=False)
        for at, namespace in enumerate(("", "team", "", "team:b")):
            await publisher.flush(namespace, NOW + at, within=20)
        await (await world.publisher()).listen(ears.hear, ears.miss)
        assert set(ears.events) == {Flushed("team", NOW + 1), Flushed("", NOW + 2), Flushed("team:b", NOW + 3)}
        await publisher.flush("team", NOW + 9, within=20)
        await until(lambda: Flushed("team", NOW + 9) in ears.events)
        assert ears.gaps == 0

    async def test_flushes_and_deletions_are_heard_in_order(self, world: World) -> None:
        publisher, other, ears = await world.publisher(), await world.publisher(), Ears()
        await publisher.listen(ears.hear, ears.miss)
        await other.delete([key(1)], NOW, within=20, confirm=False)
        await other.flush("", NOW + 1, within=20)
        await other.delete([key(2)], NOW + 2, within=20, confirm=False)
        await until(lambda: Deleted((key(2),), NOW + 2) in ears.events)
        assert list(dict.fromkeys(ears.events)) == [
            Deleted((key(1),), NOW),
            Flushed("", NOW + 1),
            Deleted((key(2),), NOW + 2),
        ]

    async def test_a_refresh_shows_every_flush_made_before_and_whom_it_reaches(self, world: World) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        for at in range(20):
            await publisher.flush("team", NOW + at, within=20)
            await consumer.tombstones.refresh()
            assert consumer.tombstones.at(key(1, "team:b"), "team") == NOW + at
        assert consumer.tombstones.at(key(1, "team:b"), "") is None
        assert consumer.tombstones.at(key(1, "team:b")) == NOW + 19, "who kept it is not known"
        assert consumer.tombstones.at(key(1, "team2")) is None

    async def test_a_late_consumer_knows_earlier_flushes(self, world: World) -> None:
        publisher = await world.publisher()
        await publisher.flush("", NOW, within=20)
        await publisher.flush("team", NOW + 1, within=20)
        tombstones = (await world.consumer()).tombstones
        assert (tombstones.at(key(1), ""), tombstones.at(key(1, "team"), "team")) == (NOW, NOW + 1)

    async def test_a_flush_is_handed_out_until_it_is_acknowledged(self, world: World) -> None:
        publisher, consumer, other = await world.publisher(), await world.consumer(), await world.consumer()
        await publisher.flush("team", NOW, within=20)
        (first,) = await gather(consumer.deleted, 1)
        await first.extend()
        (again,) = await gather(other.deleted, 1)
        assert (again.data, again.deliveries) == (first.data, 2)
        await again.ack()
        await other.ping()
        assert await consumer.deleted(256, 1) == []

    async def test_of_one_namespace_the_last_flush_is_handed_out_and_no_deletion_is_replaced(
        self, world: World
    ) -> None:
        publisher, consumer = await world.publisher(), await world.consumer()
        bare = key(1)
        await publisher.delete([bare], NOW, within=20, confirm=False)
        await publisher.flush(str(bare), NOW, within=20)
        for at in (1, 2):
            await publisher.flush("team", NOW + at, within=20)
        got = [wire.decode(one.data) for one in await gather(consumer.deleted, 3)]
        assert set(got) == {Deleted((bare,), NOW), Flushed(str(bare), NOW), Flushed("team", NOW + 2)}
