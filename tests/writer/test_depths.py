"""What a worker tells of the queue, as long as the queue tells it."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from askonce.bus.local import LocalBus
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from askonce.writer.depths import watch_until
from askonce.writer.settle import RejectReason
from tests.bus.kit import answer, until
from tests.frontend.kit import Clock

GAUGES = ("askonce_queue_messages", "askonce_queue_bytes", "askonce_queue_limit_bytes", "askonce_dead_letters")


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askonce.writer.depths.EVERY", 0.02)


def gauges(metrics: Metrics) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {one.name: one.value for family in families for one in family.samples}


async def test_the_gauges_begin_with_the_first_answer_of_the_queue_and_stay_while_it_is_away() -> None:
    bus, metrics, stop = LocalBus(Clock(), capacity=1 << 20), Metrics(), asyncio.Event()
    bus.disconnect()
    watching = asyncio.create_task(watch_until(stop, bus.consumer(), "disk", metrics=metrics, log=Log("test")))
    await asyncio.sleep(0.1)
    assert gauges(metrics) == {}
    bus.reconnect()
    await until(lambda: set(GAUGES) <= gauges(metrics).keys())
    assert [gauges(metrics)[name] for name in GAUGES] == [0, 0, 1 << 20, 0]
    publisher = bus.publisher()
    for number in range(3):
        await publisher.publish(answer(number))
    await until(lambda: gauges(metrics)["askonce_queue_messages"] == 3)
    assert gauges(metrics)["askonce_queue_bytes"] == bus.answers.size
    assert gauges(metrics)["askonce_writer_pending"] == 3
    (dead, *_) = await bus.consumer().answered(1, 1)
    await dead.reject(RejectReason.POISON)
    await until(lambda: gauges(metrics)["askonce_dead_letters"] == 1)
    bus.disconnect()
    await asyncio.sleep(0.1)
    assert [gauges(metrics)[name] for name in GAUGES] == [2, bus.answers.size, 1 << 20, 1]
    stop.set()
    await watching
