"""Records and sums over a real nats-server: killed, frozen, emptied, made anew, or of a kind that cannot count."""

import asyncio
import logging
import shutil

import nats
import pytest
from nats.js.api import StreamConfig

from askonce.bus import names, streams
from askonce.bus.protocols import Tally
from askonce.core import wire
from askonce.core.errors import BusRefused, BusUnavailable
from askonce.core.events import Deleted
from tests.bus import nats_world
from tests.bus.kit import NOW, Ears, answer, key, until
from tests.bus.records import KEY, RecordsContract, Watcher
from tests.servers import NatsServer

server = nats_world.server
world = nats_world.world


class TestNatsRecords(RecordsContract):
    pass


async def insist_on(spent: Tally, name: str, amount: int, once: str) -> int:
    """As a frontend does: the same amount until the queue has it."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await spent.add(name, amount, once=once)
            except BusUnavailable:
                await asyncio.sleep(0.02)


async def test_a_killed_server_loses_neither_records_nor_sums(world):
    one, other, watcher = await world.frontend(), await world.frontend(), Watcher()
    await watcher.watch(one.keys)
    revision = await one.keys.put(KEY, b"kept")
    await one.spent.add(KEY, 5, once="a")
    world.server.kill()
    await until(lambda: not one.keys.connected and not other.keys.connected)
    for refused in (
        *(one.keys.get(KEY), one.keys.put(KEY, b""), one.keys.delete(KEY), one.keys.all("key.")),
        *(one.spent.add(KEY, 1, once="x"), one.spent.total(KEY), one.spent.reset(KEY)),
    ):
        with pytest.raises(BusUnavailable):
            await refused
    world.server.start()
    await until(lambda: one.keys.connected and other.keys.connected)
    assert await other.keys.get(KEY) == (b"kept", revision)
    assert await other.keys.all("key.") == {KEY: (b"kept", revision)}
    assert await other.spent.add(KEY, 5, once="a") == 5
    await other.keys.delete(KEY)
    await until(lambda: watcher.heard == [(KEY, b"kept"), (KEY, None)])
    assert watcher.gaps == 0


async def test_amounts_repeated_over_two_deaths_of_the_server_are_added_once(world):
    buses = [await world.frontend() for _ in range(2)]

    async def spend(bus, who: int) -> None:
        for number in range(150):
            await insist_on(bus.spent, KEY, number, f"{who}.{number}")

    async def die_twice() -> None:
        for _ in range(2):
            before = await total_of(buses[0].spent)
            await until_more(buses[0].spent, before)
            world.server.kill()
            world.server.start()

    await asyncio.gather(*(spend(bus, who) for who, bus in enumerate(buses)), die_twice())
    assert await buses[0].spent.total(KEY) == 2 * sum(range(150))


async def total_of(spent: Tally) -> int:
    async with asyncio.timeout(20):
        while True:
            try:
                return await spent.total(KEY)
            except BusUnavailable:
                await asyncio.sleep(0.02)


async def until_more(spent: Tally, before: int) -> None:
    async with asyncio.timeout(20):
        while await total_of(spent) <= before:
            await asyncio.sleep(0.005)


async def test_a_server_started_again_still_knows_an_amount_that_others_came_after(world):
    bus = await world.frontend()
    for number in range(30):
        await bus.spent.add(KEY, 1, once=f"{number}")
    world.server.kill()
    world.server.start()
    assert await insist_on(bus.spent, KEY, 1, "5") == 30


async def test_what_a_frozen_server_took_in_is_not_added_again(world):
    spent = (await world.frontend()).spent
    await spent.add(KEY, 1, once="a")
    world.server.pause()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await spent.add(KEY, 10, once="b")
    world.server.resume()
    assert await insist_on(spent, KEY, 10, "b") == 11


async def test_changes_made_while_a_watcher_was_cut_off_reach_it(world):
    one, other, watcher = await world.frontend(), await world.frontend(), Watcher()
    await watcher.watch(one.keys)
    for turn in range(3):
        named = [f"key.{turn}-{number}" for number in range(20)]
        await asyncio.gather(
            one.publisher._link.client.force_reconnect(), *(other.keys.put(name, b"new") for name in named)
        )
        await until(lambda named=named: {name for name, _ in watcher.heard[-20:]} == set(named))
    assert (len(watcher.heard), watcher.gaps) == (60, 0)


async def test_a_server_that_lost_its_disk_is_set_up_anew_by_frontends_alone(world):
    bus, watcher = await world.frontend(), Watcher()
    await watcher.watch(bus.keys)
    await bus.keys.put(KEY, b"lost")
    await bus.spent.add(KEY, 5, once="a")
    world.server.kill()
    shutil.rmtree(world.server.folder / "jetstream")
    world.server.start()
    await until(lambda: watcher.gaps == 1)
    assert (await bus.keys.get(KEY), await bus.keys.all("key.")) == (None, {})
    await bus.keys.put(KEY, b"new", revision=0)
    await until(lambda: watcher.heard[-1] == (KEY, b"new"))
    assert await bus.spent.add(KEY, 3, once="b") == 3


async def test_streams_that_somebody_deleted_are_made_again_by_the_next_verb(world):
    bus = await world.frontend()
    await bus.spent.add(KEY, 5, once="a")
    client = await nats.connect(world.server.url)
    for verb in (bus.keys.get(KEY), bus.keys.put(KEY, b"x"), bus.keys.delete(KEY), bus.keys.all("key.")):
        await client.jetstream().delete_stream(names.KEY_STREAM)
        await verb
    for verb in (bus.spent.total(KEY), bus.spent.add(KEY, 2, once="b")):
        await client.jetstream().delete_stream(names.SPENT_STREAM)
        await verb
    assert await bus.spent.total(KEY) == 2
    await client.close()


async def test_a_stream_made_anew_with_more_than_was_seen_is_a_gap(world):
    """Its numbers alone do not tell."""
    bus, watcher, ears = await world.frontend(), Watcher(), Ears()
    await bus.publisher.listen(ears.hear, ears.miss)
    await watcher.watch(bus.keys)
    await bus.keys.put(KEY, b"seen")
    await bus.publisher.delete([key(99)], NOW, within=10, confirm=False)
    await until(lambda: bool(watcher.heard and ears.events))
    client = await nats.connect(world.server.url)
    js = client.jetstream()
    for stream in (names.KEY_STREAM, names.TOMBSTONE_STREAM):
        await js.delete_stream(stream)
    await streams.ensure_streams(js, world.settings, update=False)
    await streams.ensure_keys(js, world.settings)
    for number in range(5):
        await js.publish(names.record(f"key.{number}"), b"new")
        await js.publish(names.tombstone(key(number)), wire.encode(Deleted((key(number),), NOW)))
    await client.close()
    await bus.publisher._link.client.force_reconnect()
    await until(lambda: len(watcher.heard) == 6 and len(ears.events) == 6)
    await until(lambda: ears.gaps == 2)  # one of each feed
    assert watcher.gaps == 1


async def test_a_server_that_cannot_count_serves_all_but_sums(world, caplog):
    client = await nats.connect(world.server.url)
    await client.jetstream().add_stream(StreamConfig(name=names.SPENT_STREAM, subjects=[names.SPENT]))
    with caplog.at_level(logging.WARNING, logger="askonce"):
        bus = await world.frontend()
    assert [record.getMessage() for record in caplog.records] == ["spend_not_kept"]
    for refused in (bus.spent.add(KEY, 1, once="a"), bus.spent.total(KEY), bus.spent.reset(KEY)):
        with pytest.raises(BusUnavailable, match="sums are not kept"):
            await refused
    assert (await client.jetstream().stream_info(names.SPENT_STREAM)).state.messages == 0
    await client.close()
    await bus.keys.put(KEY, b"x")
    await bus.publisher.publish(answer(1))


async def test_the_bucket_is_one_for_the_tools_of_nats(world):
    bus, watcher = await world.frontend(), Watcher()
    await watcher.watch(bus.keys)
    client = await nats.connect(world.server.url)
    bucket = await client.jetstream().key_value(names.KEYS)
    revision = await bus.keys.put(KEY, b"ours")
    assert ((await bucket.get(KEY)).value, (await bucket.get(KEY)).revision) == (b"ours", revision)
    await bucket.put(KEY, b"theirs")
    assert (await bus.keys.get(KEY)).value == b"theirs"
    await bucket.delete(KEY)
    assert await bus.keys.get(KEY) is None
    await until(lambda: watcher.heard == [(KEY, b"ours"), (KEY, b"theirs"), (KEY, None)])
    await client.close()


async def test_too_large_a_record_is_refused_for_good(tmp_path):
    server = NatsServer(tmp_path, max_payload=64 << 10)
    server.start()
    world = nats_world.NatsWorld(server)
    try:
        keys = (await world.frontend()).keys
        with pytest.raises(BusRefused):
            await keys.put(KEY, b"x" * (65 << 10))
        await keys.put(KEY, b"x")
        await world.close()
    finally:
        server.kill()


async def test_five_frontends_that_start_at_once_have_one_bucket_and_one_tally(world):
    buses = await asyncio.gather(*(world.frontend() for _ in range(5)))
    sums = await asyncio.gather(*(bus.spent.add(KEY, 1, once=f"{who}") for who, bus in enumerate(buses)))
    assert sorted(sums) == [1, 2, 3, 4, 5]
    written = await asyncio.gather(*(bus.keys.put(f"key.{who}", b"x") for who, bus in enumerate(buses)))
    assert len(set(written)) == 5
