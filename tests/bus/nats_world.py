"""A bus over a real nats-server, which tests kill, freeze and start again."""

import time

import nats
import pytest

from askonce.bus import names
from askonce.bus.consumer import NatsConsumer
from askonce.bus.link import Link
from askonce.bus.nats import FrontendBus, open_frontend_bus
from askonce.bus.protocols import Consumer, Publisher
from askonce.config.settings import ProxySettings
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.servers import NatsServer

LOG = Log("test")


class NatsWorld:
    capacity = 1 << 20

    def __init__(self, server: NatsServer) -> None:
        self.server = server
        self.settings = ProxySettings(queue_bytes=self.capacity)
        self.open: list[FrontendBus | Consumer] = []

    async def publisher(self) -> Publisher:
        return (await self.frontend()).publisher

    async def frontend(self) -> FrontendBus:
        bus = await open_frontend_bus(
            self.server.url, store="redis", settings=self.settings, metrics=Metrics(), log=LOG, name="test"
        )
        self.open.append(bus)
        return bus

    async def consumer(self) -> Consumer:
        link = Link(self.server.url, name="test", inbox=names.WRITER_INBOX, metrics=Metrics(), log=LOG)
        consumer = NatsConsumer(link, store="redis", settings=self.settings, clock=time.time, ack_wait=0.4)
        await link.open(consumer.prepare)
        self.open.append(consumer)
        await consumer.start()
        return consumer

    async def dead(self) -> list[tuple[str, bytes, int]]:
        client = await nats.connect(self.server.url)
        js = client.jetstream()
        letters = []
        for sequence in range(1, (await js.stream_info(names.DEAD_STREAM)).state.last_seq + 1):
            message = await js.get_msg(names.DEAD_STREAM, sequence)
            headers = message.headers or {}
            assert headers[names.SUBJECT] == names.answered("redis")
            assert float(headers[names.TIME]) > 0
            letters.append((headers[names.REASON], message.data or b"", int(headers[names.DELIVERIES])))
        await client.close()
        return letters

    async def close(self) -> None:
        for each in self.open:
            await each.close()


@pytest.fixture
def server(tmp_path):
    server = NatsServer(tmp_path / "nats")
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def world(server):
    world = NatsWorld(server)
    yield world
    await world.close()
