"""Who is waited for before a flush has been heard of by all, over a real nats-server."""

import asyncio
from dataclasses import replace

import nats
import pytest
from nats.aio.client import Client

from askonce.bus import names
from askonce.bus.streams import feed
from askonce.core.errors import BusUnavailable
from askonce.core.events import Flushed
from tests.bus import nats_world
from tests.bus.kit import NOW, Ears, gather

server = nats_world.server
world = nats_world.world


LONG = 300.0  # seconds that a server remembers a listener that has gone: longer than anybody here waits


async def frozen(url: str, description: str | None, name: str | None = None) -> Client:
    """A listener that never says that it has heard of anything."""
    client = await nats.connect(url)
    inbox = client.new_inbox()
    await client.subscribe(inbox)
    config = replace(feed(inbox, 1, description), name=name, inactive_threshold=LONG)
    await client.jetstream().add_consumer(names.TOMBSTONE_STREAM, config)
    return client


async def test_a_frontend_that_does_not_hear_of_it_is_no_success(world):
    publisher = await world.publisher()
    client = await frozen(world.server.url, names.description("frozen"))
    with pytest.raises(BusUnavailable, match="every frontend"):
        await publisher.flush("", NOW, within=1)
    ears = Ears()
    await (await world.publisher()).listen(ears.hear, ears.miss)
    assert ears.events == [Flushed("", NOW)], "it stands all the same"
    await client.close()
    await publisher.flush("", NOW + 1, within=20)


async def test_a_frontend_that_ends_meanwhile_is_not_waited_for(world):
    publisher, consumer = await world.publisher(), await world.consumer()
    client = await frozen(world.server.url, names.description("frozen"))
    flushing = asyncio.create_task(publisher.flush("", NOW, within=20))
    await gather(consumer.deleted, 1)
    assert not flushing.done()
    await client.close()
    await flushing


async def test_a_frontend_that_begins_to_listen_meanwhile_says_what_it_finds(world):
    publisher, consumer, ears = await world.publisher(), await world.consumer(), Ears()
    client = await frozen(world.server.url, names.description("frozen"))
    flushing = asyncio.create_task(publisher.flush("", NOW, within=20))
    await gather(consumer.deleted, 1)
    await (await world.publisher()).listen(ears.hear, ears.miss)
    assert ears.events == [Flushed("", NOW)]
    assert not flushing.done()
    await client.close()
    await flushing


async def test_writers_and_strangers_need_not_say_that_they_have_heard(world):
    publisher, _ = await world.publisher(), await world.consumer()
    client = await frozen(world.server.url, None)
    await publisher.flush("", NOW, within=20)
    await client.close()


@pytest.mark.parametrize("name", ["-of-the-first-page", "~of-the-last-page"])
async def test_more_frontends_than_a_page_of_the_servers_list_are_all_waited_for(world, name):
    """The server lists them by name; those without one are given letters and digits."""
    publisher = await world.publisher()
    strangers = await nats.connect(world.server.url)
    for _ in range(300):
        config = feed(strangers.new_inbox(), 1)
        await strangers.jetstream().add_consumer(names.TOMBSTONE_STREAM, config)
    client = await frozen(world.server.url, names.description("frozen"), name)
    with pytest.raises(BusUnavailable, match="every frontend"):
        await publisher.flush("", NOW, within=1)
    await client.close()
    await publisher.flush("", NOW, within=20)
    await strangers.close()


async def test_a_flush_taken_back_by_the_buckets_own_tools_is_none(world):
    publisher, ears = await world.publisher(), Ears()
    await publisher.flush("team", NOW, within=20)
    client = await nats.connect(world.server.url)
    bucket = await client.jetstream().key_value(names.TOMBSTONES)
    await bucket.delete(names.flushed("team").removeprefix(f"$KV.{names.TOMBSTONES}."))
    await (await world.publisher()).listen(ears.hear, ears.miss)
    assert ears.events == []
    await client.close()


async def test_what_was_flushed_while_the_connection_was_lost_is_heard_of_afterwards(world):
    publisher, ears = await world.publisher(), Ears()
    await publisher.listen(ears.hear, ears.miss)
    world.server.kill()
    with pytest.raises(BusUnavailable):
        await publisher.flush("", NOW, within=20)
    world.server.start()
    async with asyncio.timeout(60):
        while Flushed("team", NOW) not in ears.events:
            try:
                await publisher.flush("team", NOW, within=20)
            except BusUnavailable:
                await asyncio.sleep(0.05)
