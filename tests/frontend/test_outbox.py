"""The outbox over the bus within a process: what waits, what is dropped and counted, and that nothing else is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from askonce.bus.local import LocalBus, LocalPublisher
from askonce.config.settings import ProxySettings
from askonce.core import wire
from askonce.core.entry import Entry
from askonce.core.errors import BusUnavailable
from askonce.core.events import Answered
from askonce.frontend.outbox import Dropped, Outbox
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.frontend.kit import Clock, count, entry, event, settle, until

OVERHEAD = 512  # bytes charged beside an entry's payload


@dataclass
class Scene:
    outbox: Outbox
    bus: LocalBus
    clock: Clock
    metrics: Metrics

    def queued(self) -> list[Answered]:
        told = [wire.decode(message.data) for message in self.bus.answers.messages.values()]
        return [one for one in told if isinstance(one, Answered)]

    def entries(self) -> list[Entry]:
        return sorted((one for told in self.queued() for one in told.entries), key=lambda one: str(one.key))

    def dropped(self, reason: Dropped | str = "") -> float:
        return count(self.metrics, "askonce_outbox_dropped_total", **({"reason": reason} if reason else {}))

    def published(self) -> float:
        return count(self.metrics, "askonce_outbox_published_total")

    def retries(self) -> float:
        return count(self.metrics, "askonce_outbox_retries_total")

    def waiting(self) -> tuple[float, float]:
        return count(self.metrics, "askonce_outbox_events"), count(self.metrics, "askonce_outbox_bytes")


class Forgetful(LocalPublisher):
    """Its first answers to a publish get lost: the queue has the event and the frontend does not know it."""

    lost = 3

    async def publish(self, event: Answered) -> None:
        await super().publish(event)
        if self.lost:
            self.lost -= 1
            raise BusUnavailable("timed out")


@asynccontextmanager
async def opened(
    *,
    capacity: int = 64 << 20,
    max_payload: int = 8 << 20,
    publisher: type[LocalPublisher] = LocalPublisher,
    started: bool = True,
    **proxy: float,
) -> AsyncIterator[Scene]:
    clock, metrics = Clock(), Metrics()
    bus = LocalBus(clock, capacity=capacity, max_payload=max_payload)
    settings = ProxySettings.model_validate(proxy)
    outbox = Outbox(publisher(bus), settings, metrics, Log("test"), clock)
    if started:
        outbox.start()
    try:
        yield Scene(outbox, bus, clock, metrics)
    finally:
        await outbox.close()


async def test_what_is_put_in_is_published_once_and_counted() -> None:
    async with opened() as scene:
        events = [event(n, b"payload %d" % n) for n in range(200)]
        for one in events:
            scene.outbox.put(one)
        assert await scene.outbox.flush(20) == 0
        assert sorted(scene.queued(), key=lambda one: one.entries[0].payload) == sorted(
            events, key=lambda one: one.entries[0].payload
        )
        assert (scene.published(), scene.dropped(), scene.waiting()) == (200, 0, (0, 0))


async def test_an_empty_outbox_is_flushed_at_once() -> None:
    async with opened() as scene:
        assert await scene.outbox.flush(0) == 0


async def test_more_events_than_may_wait_are_dropped_and_counted() -> None:
    async with opened(started=False, outbox_events=5) as scene:
        for n in range(8):
            scene.outbox.put(event(n))
        assert scene.waiting()[0] == 5
        assert (scene.dropped(Dropped.FULL_EVENTS), scene.dropped()) == (3, 3)
        scene.outbox.start()
        assert await scene.outbox.flush(20) == 0
        assert sorted(one.id for one in scene.queued()) == [f"event-{n}" for n in range(5)]


async def test_more_bytes_than_may_wait_are_dropped_and_counted_and_smaller_ones_still_fit() -> None:
    async with opened(started=False, outbox_bytes=10_000) as scene:
        for n in range(4):
            scene.outbox.put(event(n, b"x" * 3000))
        assert scene.waiting() == (2, scene.waiting()[1])
        assert 6000 + 2 * OVERHEAD <= scene.waiting()[1] <= 10_000
        assert (scene.dropped(Dropped.FULL_BYTES), scene.dropped()) == (2, 2)
        scene.outbox.put(event(9, b"small"))
        assert scene.dropped() == 2
        scene.outbox.start()
        assert await scene.outbox.flush(20) == 0
        assert sorted(one.id for one in scene.queued()) == ["event-0", "event-1", "event-9"]
        assert scene.waiting() == (0, 0)


async def test_every_part_of_an_event_counts_towards_the_bounds() -> None:
    """A model's name is a client's own words under a wildcard."""
    async with opened(started=False, outbox_bytes=10_000) as scene:
        scene.outbox.put(Answered("long", scene.clock.now, (entry(1, model="m" * 20_000),)))
        assert (scene.waiting(), scene.dropped(Dropped.FULL_BYTES)) == ((0, 0), 1)


async def test_what_was_sent_makes_room() -> None:
    async with opened(outbox_events=1) as scene:
        for n in range(10):
            scene.outbox.put(event(n))
            assert await scene.outbox.flush(20) == 0
        assert (scene.published(), scene.dropped()) == (10, 0)


async def test_answers_wait_while_the_queue_is_away_and_go_out_after() -> None:
    async with opened() as scene:
        scene.bus.disconnect()
        for n in range(100):
            scene.outbox.put(event(n))
        await until(lambda: scene.retries() >= 64)
        assert (scene.waiting()[0], scene.dropped(), scene.published()) == (100, 0, 0)
        scene.bus.reconnect()
        assert await scene.outbox.flush(20) == 0
        assert sorted(one.id for one in scene.queued()) == sorted(f"event-{n}" for n in range(100))
        assert (scene.published(), scene.dropped()) == (100, 0)


async def test_a_retry_names_the_same_event_so_that_the_queue_has_it_once() -> None:
    async with opened(publisher=Forgetful) as scene:
        scene.outbox.put(event(1))
        assert await scene.outbox.flush(20) == 0
        assert (scene.retries(), scene.published()) == (3, 1)
        assert scene.queued() == [event(1)]


async def test_nothing_is_lost_on_a_full_queue_that_drains_later() -> None:
    async with opened(capacity=2000) as scene:
        for n in range(12):
            scene.outbox.put(event(n, b"x" * 500))
        consumer, got = scene.bus.consumer(), set[str]()
        async with asyncio.timeout(20):
            while len(got) < 12:
                for delivery in await consumer.answered(10, 0.02):
                    told = wire.decode(delivery.data)
                    assert isinstance(told, Answered)
                    assert told.id not in got
                    got.add(told.id)
                    await delivery.ack()
        assert await scene.outbox.flush(20) == 0
        assert (scene.published(), scene.dropped()) == (12, 0)
        assert scene.retries() > 0


async def test_a_large_event_is_split_by_entry_and_what_fits_nowhere_is_counted() -> None:
    async with opened(max_payload=4096) as scene:
        payloads = [b"a" * 1500, b"b" * 1500, b"c" * 5000, b"d" * 1500, b"e" * 4090, b"f"]
        scene.outbox.put(event(7, *payloads))
        assert await scene.outbox.flush(20) == 0
        assert [one.payload for one in scene.entries()] == [payloads[n] for n in (0, 1, 3, 5)]
        names = [one.id for one in scene.queued()]
        assert len(set(names)) == len(names) > 1
        assert all(name.startswith("event-7") for name in names)
        assert all(len(message.data) <= 4096 for message in scene.bus.answers.messages.values())
        assert all(one.asked_at == event(7).asked_at for one in scene.queued())
        assert (scene.dropped(Dropped.TOO_LARGE), scene.dropped()) == (2, 2)


async def test_an_event_that_fits_nowhere_leaves_nothing_behind() -> None:
    async with opened(max_payload=4096) as scene:
        scene.outbox.put(event(1, b"x" * 5000))
        assert await scene.outbox.flush(20) == 0
        assert (scene.queued(), scene.waiting(), scene.dropped(Dropped.TOO_LARGE)) == ([], (0, 0), 1)


async def test_what_the_queue_refuses_for_good_is_counted_and_not_tried_again() -> None:
    async with opened() as scene:
        scene.outbox.put(event(1, b"x" * 3000))
        scene.bus.max_payload = 1024  # the server was set up anew in between
        assert await scene.outbox.flush(20) == 0
        assert (scene.dropped(Dropped.TOO_LARGE), scene.retries(), scene.published()) == (1, 0, 0)


async def test_what_waited_too_long_is_dropped_and_the_younger_stays() -> None:
    async with opened(outbox_age=100.0) as scene:
        scene.bus.disconnect()
        scene.outbox.put(event(1, asked_at=scene.clock.now - 101))
        scene.outbox.put(event(2, asked_at=scene.clock.now))
        await until(lambda: scene.dropped(Dropped.TOO_OLD) == 1)
        assert scene.waiting()[0] == 1
        scene.bus.reconnect()
        assert await scene.outbox.flush(20) == 0
        assert [one.id for one in scene.queued()] == ["event-2"]
        assert scene.dropped() == 1


async def test_an_old_answer_is_still_taken_where_the_queue_is_there() -> None:
    async with opened(outbox_age=100.0) as scene:
        scene.outbox.put(event(1, asked_at=scene.clock.now - 1000))
        assert await scene.outbox.flush(20) == 0
        assert (scene.published(), scene.dropped()) == (1, 0)


async def test_a_flush_with_a_deadline_tells_what_was_left_and_counts_it() -> None:
    async with opened() as scene:
        scene.bus.disconnect()
        for n in range(70):  # more than are sent at once
            scene.outbox.put(event(n))
        assert await scene.outbox.flush(0.02) == 70
        assert (scene.dropped(Dropped.SHUTDOWN), scene.dropped()) == (70, 70)


async def test_closing_ends_every_sender_even_while_they_wait() -> None:
    async with opened() as scene:
        scene.bus.disconnect()
        scene.outbox.put(event(1))
        await settle()
        await scene.outbox.close()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("outbox")]
        await scene.outbox.close()


@pytest.mark.parametrize("waiting", [1, 63, 64, 65, 300])
async def test_the_end_of_a_flush_is_seen_however_many_wait(waiting: int) -> None:
    async with opened() as scene:
        for n in range(waiting):
            scene.outbox.put(event(n))
        assert await scene.outbox.flush(20) == 0
        assert scene.published() == waiting
