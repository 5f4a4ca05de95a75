"""`askonce frontend` and `askonce writer`: one process each, by hand or as a child of `askonce up`."""

import asyncio
import importlib.metadata
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import uvloop

from askonce.config.settings import Settings
from askonce.core.errors import AskonceError, ConfigError
from askonce.frontend.service import Address, Frontend
from askonce.runtime.link import ChildLink, Orders
from askonce.runtime.signals import finished, stop_event, until_interrupted
from askonce.telemetry.logs import Log, set_up
from askonce.telemetry.metrics import Metrics
from askonce.writer.service import WriterService

_ORPHANED = 3.0  # seconds to leave once the supervisor has died
VERSION = importlib.metadata.version("askonce")


class Service(Protocol):
    """What a process is there for. `open` that raises or is cancelled needs no `close`."""

    async def open(self, nats_url: str) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Part:
    """A service and its work, which goes on until the event is set. Orders are a supervisor's; None by hand."""

    role: str
    service: Service
    work: Callable[[asyncio.Event, Orders | None], Awaitable[None]]


def frontend(settings: Settings, *, supervised: int | None, name: str) -> int:
    """Serves until SIGTERM or Ctrl-C, and by hand for `shutdown_delay` more. `supervised` is the line to a supervisor,
    as an inherited file descriptor.
    """
    log = Log("frontend")
    service = Frontend(settings, name=name, version=VERSION, metrics=Metrics(), log=log)

    async def work(stop: asyncio.Event, orders: Orders | None) -> None:
        inherited = None if orders is None else _inherited(orders)
        address = Address(host(settings), settings.proxy.port, inherited)
        try:
            await service.listen(address)
        except OSError as error:
            taken = f"cannot be had ({error.strerror}); choose another with --port"
            raise ConfigError("askonce frontend", f"--port {address.port}", taken) from None
        if orders is None:
            for words in settings.warnings:
                log.warning("settings", words=words)
            log.info("ready", host=address.host, port=address.port)
        await stop.wait()
        if orders is None:
            log.info("stopping", delay=settings.proxy.shutdown_delay)
            service.leave()
            await until_interrupted(settings.proxy.shutdown_delay)

    return _run(Part("frontend", service, work), settings, supervised, name)


def writer(settings: Settings, *, supervised: int | None, name: str) -> int:
    """Works until SIGTERM or Ctrl-C."""
    log = Log("writer")
    service = WriterService(settings, name=name, metrics=Metrics(), log=log)

    async def work(stop: asyncio.Event, orders: Orders | None) -> None:
        if orders is None:
            if settings.proxy.metrics_port is not None:
                await service.expose(host(settings), settings.proxy.metrics_port)
            log.info("ready", store=settings.cache.type)
        await service.run(stop)

    return _run(Part("writer", service, work), settings, supervised, name)


def host(settings: Settings) -> str:
    """Where to listen, which the loader knows: loopback unless a key guards the door or the operator says otherwise."""
    if settings.proxy.host is None:
        raise RuntimeError("settings that were not loaded")
    return settings.proxy.host


def _run(part: Part, settings: Settings, supervised: int | None, name: str) -> int:
    set_up(name, settings.proxy.log_level)
    return uvloop.run(_by_hand(part, settings) if supervised is None else _supervised(part, supervised))


async def _by_hand(part: Part, settings: Settings) -> int:
    nats_url = settings.proxy.nats_url
    if nats_url is None:
        raise ConfigError(f"askonce {part.role}", "--nats", "the URL of a NATS server with JetStream, nats://HOST:PORT")
    stop = stop_event()
    if await finished(part.service.open(nats_url.get_secret_value()), before=stop):
        try:
            await part.work(stop, None)
        finally:
            await part.service.close()
    return 0


async def _supervised(part: Part, fd: int) -> int:
    """Until "go" a signal, or the supervisor's death, ends it at once; from there on it drains."""
    stop = stop_event()
    link = await ChildLink.open(fd)
    listening = asyncio.create_task(link.listen(stop), name="supervisor-line")
    try:
        if await finished(part.service.open(link.orders.nats_url), before=stop):
            try:
                if await finished(link.ready(), before=stop):
                    await part.work(stop, link.orders)
            finally:
                await _leave(part.service, listening)
    except AskonceError as error:
        await link.failed(str(error))
        return 1
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return 0


async def _leave(service: Service, listening: "asyncio.Task[None]") -> None:
    """An orphan does not take its time: the queue that it would wait for ends with the supervisor."""
    closing = asyncio.create_task(service.close(), name="close")
    await asyncio.wait({closing, listening}, return_when=asyncio.FIRST_COMPLETED)
    if not closing.done():
        await asyncio.wait({closing}, timeout=_ORPHANED)
        closing.cancel()
    with suppress(asyncio.CancelledError):
        await closing


def _inherited(orders: Orders) -> socket.socket:
    if orders.socket_fd is None:
        raise ConfigError("askonce frontend", "--supervised", "a supervisor that hands over its socket")
    return socket.socket(fileno=orders.socket_fd)
