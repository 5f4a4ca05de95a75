"""How full the queue is where an operator made the stream, and while nobody can tell."""

import math

import nats
import pytest
from nats.js.api import RetentionPolicy

from askonce.bus import names
from askonce.core.errors import BusUnavailable
from tests.bus import nats_world
from tests.bus.nats_world import NatsWorld
from tests.servers import NatsServer

server = nats_world.server
world = nats_world.world


async def test_a_stream_without_a_bound_has_no_limit(server: NatsServer, world: NatsWorld) -> None:
    client = await nats.connect(server.url)
    subjects = [names.answered("*")]
    await client.jetstream().add_stream(name=names.STREAM, subjects=subjects, retention=RetentionPolicy.WORK_QUEUE)
    consumer = await world.consumer()
    assert await consumer.depth() == (0, 0, math.inf, 0)
    await client.close()


async def test_a_stream_that_is_gone_is_unavailable(server: NatsServer, world: NatsWorld) -> None:
    consumer = await world.consumer()
    client = await nats.connect(server.url)
    await client.jetstream().delete_stream(names.DEAD_STREAM)
    with pytest.raises(BusUnavailable, match="how full the queue is"):
        await consumer.depth()
    await client.close()
