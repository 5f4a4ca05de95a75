"""A bus in process or over NATS for a worker that pauses only briefly, and answers to queue."""

import time

import nats
import pytest

from askonce.bus import names
from askonce.bus.local import LocalBus
from askonce.core.entry import JSON, Entry, Lookup
from askonce.core.events import Answered
from askonce.telemetry.metrics import Metrics
from tests.bus.kit import key
from tests.bus.nats_world import NatsWorld
from tests.servers import NatsServer


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("askonce.writer.settle._FIRST_PAUSE", 0.05)
    monkeypatch.setattr("askonce.writer.outage._PING_EVERY", 0.05)
    monkeypatch.setattr("askonce.writer.worker._WAIT", 0.1)
    monkeypatch.setattr("askonce.writer.worker._AWAY", 0.05)


class LocalWorld:
    def __init__(self) -> None:
        self.bus = LocalBus(time.time, ack_wait=0.4)

    async def publisher(self):
        return self.bus.publisher()

    async def consumer(self):
        return self.bus.consumer()

    async def raw(self, frame: bytes) -> None:
        self.bus.enqueue(f"raw-{len(frame)}", frame)

    async def dead(self):
        return [(letter.reason, letter.data, letter.deliveries) for letter in self.bus.dead]

    async def close(self) -> None:
        pass


class RealWorld(NatsWorld):
    async def raw(self, frame: bytes) -> None:
        client = await nats.connect(self.server.url)
        await client.jetstream().publish(names.answered("redis"), frame)
        await client.close()


@pytest.fixture(params=["local", "nats"])
async def world(request, tmp_path):
    if request.param == "local":
        yield LocalWorld()
        return
    server = NatsServer(tmp_path / "nats")
    server.start()
    world = RealWorld(server)
    try:
        yield world
        await world.close()
    finally:
        server.kill()


def entry(number: int, payload: bytes = b'{"a":1}', ttl: float | None = None, stored_at: float | None = None) -> Entry:
    return Entry(Lookup(key(number)), payload, JSON, stored_at or time.time(), ttl, "m", "chat")


def answer(*entries: Entry, asked_at: float | None = None) -> Answered:
    name = f"{[str(one.key) for one in entries]}{time.monotonic_ns()}"
    return Answered(name[-64:], time.time() if asked_at is None else asked_at, entries)


def value(metrics: Metrics, name: str, *labels: str) -> float:
    return metrics.counter(name, *labels)._value.get()
