"""Frontends in step: what one has told is known to the other, and a frozen server holds nobody up for long."""

import asyncio
import time

import pytest

from askonce.bus.local import LocalBus
from askonce.bus.nats import open_frontend_bus
from askonce.bus.protocols import Publisher
from askonce.bus.trips import RoundTrips
from askonce.config.settings import ProxySettings
from askonce.core.errors import BusUnavailable
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.bus import nats_world
from tests.bus.kit import Ears, answer, until
from tests.servers import NatsServer

server = nats_world.server


async def open_nats(server: NatsServer) -> Publisher:
    settings = ProxySettings()
    bus = await open_frontend_bus(
        server.url, store="redis", settings=settings, metrics=Metrics(), log=Log("test"), name="test"
    )
    return bus.publisher


async def check(speaker: Publisher, listener: Publisher) -> None:
    ears = Ears()
    await listener.listen(ears.hear, ears.miss)
    for number in range(200):
        event = answer(number)
        speaker.tell(event)
        await speaker.in_step()
        await listener.in_step()
        assert ears.events[-1:] == [event]


async def test_what_was_told_is_known_to_who_is_in_step():
    bus = LocalBus(time.time)
    await check(bus.publisher(), bus.publisher())


async def test_so_it_is_over_nats(server):
    speaker, listener = await open_nats(server), await open_nats(server)
    await check(speaker, listener)
    await speaker.close()
    await listener.close()


async def test_a_frozen_server_is_given_up_on_and_heard_again_later(server):
    publisher, ears = await open_nats(server), Ears()
    await publisher.listen(ears.hear, ears.miss)
    server.pause()
    await publisher.in_step()  # gives up; the answer to its ping comes later
    server.resume()
    await publisher.ping()
    publisher.tell(answer(1))
    await until(lambda: len(ears.events) == 1)
    assert ears.gaps == 0, "on the same connection"
    await publisher.close()


async def test_a_dead_server_is_not_waited_for(server):
    publisher = await open_nats(server)
    server.pause()
    waiting = asyncio.create_task(publisher.ping())
    await asyncio.sleep(0.05)
    server.kill()
    with pytest.raises(BusUnavailable):
        await waiting
    await publisher.in_step()
    await publisher.close()


async def test_who_asks_during_a_trip_waits_for_the_next():
    begun, gate = 0, asyncio.Event()

    async def travel() -> None:
        nonlocal begun
        begun += 1
        await gate.wait()

    trips = RoundTrips(travel)
    first = asyncio.create_task(trips.make())
    while not begun:
        await asyncio.sleep(0)
    others = [asyncio.create_task(trips.make()) for _ in range(5)]
    await asyncio.sleep(0)
    others[0].cancel()
    gate.set()
    await asyncio.gather(first, *others[1:])
    assert begun == 2
    await trips.close()


async def test_who_waits_for_a_trip_that_is_closed_is_told():
    trips = RoundTrips(asyncio.Event().wait)
    waiting = [asyncio.create_task(trips.make())]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.append(asyncio.create_task(trips.make()))
    await asyncio.sleep(0)
    await trips.close()
    for one in waiting:
        with pytest.raises(BusUnavailable):
            await one
