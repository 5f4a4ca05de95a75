"""`askonce frontend` and `askonce writer`: one process each, by hand or as a child of `askonce up`."""

import asyncio
import importlib.metadata
import socket
from collections.abc import Coroutine
from typing import Any

import uvloop

from askonce.config.settings import Settings
from askonce.core.errors import AskonceError, ConfigError
from askonce.frontend.service import Address, Frontend
from askonce.runtime.link import ChildLink
from askonce.runtime.signals import stop_event
from askonce.telemetry.logs import Log, set_up
from askonce.telemetry.metrics import Metrics
from askonce.writer.service import WriterService

VERSION = importlib.metadata.version("askonce")


def frontend(settings: Settings, *, supervised: int | None, name: str) -> int:
    """Serves until SIGTERM or Ctrl-C. `supervised` is the line to a supervisor, as an inherited file descriptor."""
    return _run(_frontend(settings, supervised, name), settings, name)


def writer(settings: Settings, *, supervised: int | None, name: str) -> int:
    """Works until SIGTERM or Ctrl-C."""
    return _run(_writer(settings, supervised, name), settings, name)


def default_host(settings: Settings) -> str:
    """Loopback unless a key guards the door, or the operator says otherwise."""
    if settings.proxy.host is not None:
        return settings.proxy.host
    return "127.0.0.1" if settings.master_key is None else "0.0.0.0"


def _run(main: Coroutine[Any, Any, int], settings: Settings, name: str) -> int:
    set_up(name, settings.proxy.log_level)
    return uvloop.run(main)


async def _frontend(settings: Settings, supervised: int | None, name: str) -> int:
    stop, log = stop_event(), Log("frontend")
    service = Frontend(settings, name=name, version=VERSION, metrics=Metrics(), log=log)
    if supervised is not None:
        return await _as_child(await ChildLink.open(supervised), service, stop)
    await service.open(_nats_url(settings, "frontend"))
    address = Address(default_host(settings), settings.proxy.port)
    try:
        await service.listen(address)
    except OSError as error:
        await service.close()
        raise ConfigError("askonce frontend", f"--port {address.port}", f"a free port ({error.strerror})") from None
    log.info("ready", host=address.host, port=address.port)
    await stop.wait()
    log.info("stopping")
    await service.close()
    return 0


async def _as_child(link: ChildLink, service: Frontend, stop: asyncio.Event) -> int:
    try:
        await service.open(link.orders.nats_url)
    except AskonceError as error:
        await link.failed(str(error))
        return 1
    await link.ready()
    if link.orders.socket_fd is None:
        raise ConfigError("askonce frontend", "--supervised", "a supervisor that hands over its socket")
    await service.listen(Address("", 0, socket.socket(fileno=link.orders.socket_fd)))
    watching = asyncio.create_task(link.broken(stop), name="supervisor-watch")
    await stop.wait()
    watching.cancel()
    await service.close()
    return 0


async def _writer(settings: Settings, supervised: int | None, name: str) -> int:
    stop, log = stop_event(), Log("writer")
    service = WriterService(settings, name=name, metrics=Metrics(), log=log)
    if supervised is None:
        await service.open(_nats_url(settings, "writer"))
        if settings.proxy.metrics_port is not None:
            await service.expose(default_host(settings), settings.proxy.metrics_port)
        log.info("ready", store=settings.cache.type)
        await service.run(stop)
        await service.close()
        return 0
    link = await ChildLink.open(supervised)
    try:
        await service.open(link.orders.nats_url)
    except AskonceError as error:
        await link.failed(str(error))
        return 1
    working = asyncio.create_task(service.run(stop), name="worker")
    await link.ready()
    watching = asyncio.create_task(link.broken(stop), name="supervisor-watch")
    await working
    watching.cancel()
    await service.close()
    return 0


def _nats_url(settings: Settings, role: str) -> str:
    if settings.proxy.nats_url is None:
        raise ConfigError(f"askonce {role}", "--nats", "the URL of a NATS server with JetStream, nats://HOST:PORT")
    return settings.proxy.nats_url.get_secret_value()
