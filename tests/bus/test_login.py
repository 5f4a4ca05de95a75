"""The settings `nats_user` and `nats_password`: who a process is where the address does not say it."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from askonce.bus.login import login
from askonce.bus.nats import FrontendBus, open_consumer, open_frontend_bus
from askonce.bus.probe import probe
from askonce.bus.protocols import Consumer
from askonce.config.settings import ProxySettings
from askonce.core import wire
from askonce.core.errors import BusUnavailable
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.bus.kit import answer, gather, until
from tests.bus.up_server import SETTINGS, WORDS, UpServer
from tests.servers import NatsServer, free_port

LOG = Log("test")
ODD = "p@ss:w/ord?#%41, with spaces"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[UpServer]:
    server = UpServer(tmp_path / "nats")
    server.start()
    yield server
    server.kill()


def known_as(user: str, password: str) -> ProxySettings:
    return ProxySettings.model_validate({**SETTINGS.model_dump(), "nats_user": user, "nats_password": password})


@asynccontextmanager
async def frontend(url: str, settings: ProxySettings) -> AsyncIterator[FrontendBus]:
    bus = await open_frontend_bus(url, store="disk", settings=settings, metrics=Metrics(), log=LOG, name="frontend")
    try:
        yield bus
    finally:
        await bus.close()


@asynccontextmanager
async def writer(url: str, settings: ProxySettings) -> AsyncIterator[Consumer]:
    consumer = await open_consumer(
        url, store="disk", settings=settings, metrics=Metrics(), log=LOG, name="writer", clock=time.time
    )
    try:
        yield consumer
    finally:
        await consumer.close()


async def test_each_role_does_its_work_by_it(server: UpServer) -> None:
    async with (
        frontend(server.url, known_as("frontend", WORDS["frontend"])) as bus,
        writer(server.url, known_as("writer", WORDS["writer"])) as consumer,
    ):
        event = answer(1)
        await bus.publisher.publish(event)
        (delivery,) = await gather(consumer.answered, 1)
        assert wire.decode(delivery.data) == event
        await delivery.ack()


async def test_it_is_for_every_server_of_a_list_and_after_a_lost_connection(server: UpServer) -> None:
    dead = f"nats://127.0.0.1:{free_port()}"
    async with frontend(f"{dead}, {server.url}", known_as("frontend", WORDS["frontend"])) as bus:
        server.kill()
        await until(lambda: not bus.publisher.connected)
        server.start()
        await until(lambda: bus.publisher.connected)
        await bus.publisher.publish(answer(1))


async def test_a_login_in_the_address_is_believed(server: UpServer) -> None:
    other = known_as("nobody", "nothing-of-use-here")
    assert login(server.as_role("frontend"), other) == {}
    async with frontend(server.as_role("frontend"), other) as bus:
        assert bus.publisher.connected


async def test_a_password_may_have_any_characters(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "odd", config=f'authorization {{ user: "some one", password: "{ODD}" }}')
    server.start()
    try:
        assert await probe(server.url, login(server.url, known_as("some one", ODD)), 5.0)
        with pytest.raises(BusUnavailable, match=r"(?i)authorization violation") as caught:
            await probe(server.url, login(server.url, known_as("some one", f"{ODD}!")), 5.0)
        assert ODD not in str(caught.value)
        with pytest.raises(BusUnavailable, match=r"(?i)authorization violation"):
            await probe(server.url, login(server.url, SETTINGS), 5.0)
    finally:
        server.kill()


@pytest.mark.parametrize("role", ["frontend", "writer", "admin"])
async def test_a_probe_asks_what_every_role_may(server: UpServer, role: str) -> None:
    settings = known_as(role, WORDS[role])
    first = await probe(server.url, login(server.url, settings), 5.0)
    async with frontend(server.as_role("frontend"), SETTINGS):
        assert await probe(server.as_role(role), login(server.as_role(role), settings), 5.0) == first


async def test_a_probe_tells_a_login_that_may_do_nothing(tmp_path: Path) -> None:
    users = 'authorization { users: [{user: u, password: p, permissions: {publish: "x", subscribe: "y"}}] }'
    server = NatsServer(tmp_path / "nats", config=users)
    server.start()
    try:
        with pytest.raises(BusUnavailable, match="this login may do neither a frontend's work nor a writer's"):
            await probe(server.url, login(server.url, known_as("u", "p")), 5.0)
    finally:
        server.kill()
