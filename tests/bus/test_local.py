import time

import pytest

from askonce.bus.local import LocalBus
from askonce.bus.protocols import Consumer, Publisher
from askonce.core.errors import BusUnavailable
from tests.bus.contract import BusContract
from tests.bus.kit import NOW, Ears, answer


class LocalWorld:
    capacity = 1 << 20

    def __init__(self) -> None:
        self.bus = LocalBus(time.time, capacity=self.capacity, ack_wait=0.4, max_payload=1 << 20)

    async def publisher(self) -> Publisher:
        return self.bus.publisher()

    async def consumer(self) -> Consumer:
        return self.bus.consumer()

    async def dead(self) -> list[tuple[str, bytes, int]]:
        return [(letter.reason, letter.data, letter.deliveries) for letter in self.bus.dead]


@pytest.fixture
def world():
    return LocalWorld()


class TestLocalBus(BusContract):
    pass


async def test_a_disconnected_bus_refuses_and_a_reconnection_is_a_gap(world):
    publisher, consumer, ears = world.bus.publisher(), world.bus.consumer(), Ears()
    await publisher.listen(ears.hear, ears.miss)
    world.bus.disconnect()
    publisher.tell(answer(1))
    refusals = (publisher.publish(answer(1)), publisher.ping(), publisher.flush("", NOW, within=1))
    for refused in (*refusals, consumer.answered(1, 0), consumer.pending(), consumer.depth()):
        with pytest.raises(BusUnavailable):
            await refused
    assert not publisher.connected
    world.bus.reconnect()
    assert (publisher.connected, ears.gaps, ears.events) == (True, 1, [])


async def test_a_closed_publisher_hears_nothing_more(world):
    publisher, other, ears = world.bus.publisher(), world.bus.publisher(), Ears()
    await publisher.listen(ears.hear, ears.miss)
    await publisher.close()
    await other.close()
    other.tell(answer(1))
    assert world.bus.listeners == []
