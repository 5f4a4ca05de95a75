import time

import pytest

from askonce.bus.local import LocalBus
from askonce.bus.nats import FrontendBus
from askonce.core.errors import BusUnavailable
from tests.bus.kit import until
from tests.bus.records import KEY, RecordsContract, Watcher


class LocalWorld:
    def __init__(self) -> None:
        self.bus = LocalBus(time.time)

    async def frontend(self) -> FrontendBus:
        publisher = self.bus.publisher()
        return FrontendBus(publisher, self.bus.bucket(), self.bus.tally(), publisher.close)


@pytest.fixture
def world():
    return LocalWorld()


class TestLocalRecords(RecordsContract):
    pass


async def test_a_disconnected_bus_refuses_every_verb(world):
    keys, spent = world.bus.bucket(), world.bus.tally()
    world.bus.disconnect()
    assert not keys.connected
    for refused in (
        *(keys.get(KEY), keys.put(KEY, b""), keys.delete(KEY), keys.all("key."), Watcher().watch(keys)),
        *(spent.add(KEY, 1, once="x"), spent.total(KEY), spent.reset(KEY)),
    ):
        with pytest.raises(BusUnavailable):
            await refused
    world.bus.reconnect()
    assert keys.connected
    assert (await keys.get(KEY), await spent.total(KEY)) == (None, 0)


async def test_a_bucket_that_is_cut_off_alone_has_later_what_it_missed(world):
    cut, other, watcher = world.bus.bucket(), world.bus.bucket(), Watcher()
    await watcher.watch(cut)
    cut.disconnect()
    with pytest.raises(BusUnavailable):
        await cut.get(KEY)
    await other.put("key.a", b"1")
    await other.put("key.b", b"1")
    await other.put("key.a", b"2")
    await other.delete("key.b")
    assert watcher.heard == []
    cut.reconnect()
    assert (watcher.heard, watcher.gaps) == ([("key.a", b"2"), ("key.b", None)], 0)


async def test_a_bucket_made_anew_is_empty_and_a_gap(world):
    keys, watcher = world.bus.bucket(), Watcher()
    await watcher.watch(keys)
    await keys.put(KEY, b"1")
    world.bus.lose_records()
    assert (await keys.get(KEY), watcher.gaps) == (None, 1)
    await keys.put(KEY, b"2", revision=0)
    await until(lambda: (KEY, b"2") in watcher.heard)


async def test_a_sum_forgets_who_added_after_two_minutes():
    now = [1000.0]
    spent = LocalBus(lambda: now[0]).tally()
    for at, total in ((1000.0, 1), (1119.0, 1), (1241.0, 2)):
        now[0] = at
        assert await spent.add(KEY, 1, once="x") == total
