"""The bus over NATS JetStream, opened: what the composition root calls. The parts are in the modules beside it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from askonce.bus import names
from askonce.bus.bucket import NatsBucket
from askonce.bus.consumer import NatsConsumer
from askonce.bus.link import Link
from askonce.bus.login import login
from askonce.bus.protocols import Bucket, Consumer, Publisher, Tally
from askonce.bus.publisher import NatsPublisher
from askonce.bus.streams import ensure_keys, ensure_streams
from askonce.bus.tally import NatsTally
from askonce.config.settings import ProxySettings
from askonce.core.errors import BusUnavailable
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics


class FrontendBus(NamedTuple):
    """What a frontend has of the queue, over one connection. `keys` and `spent` are of use until `close`."""

    publisher: Publisher
    keys: Bucket
    spent: Tally
    close: Callable[[], Awaitable[None]]


async def open_frontend_bus(
    url: str, *, store: str, settings: ProxySettings, metrics: Metrics, log: Log, name: str
) -> FrontendBus:
    """A frontend's bus: connected, the streams there.

    `url` may list several servers with commas, credentials included; `store` is the type of the store behind the
    queue; `name` is what NATS's monitoring shows. Raises BusUnavailable after about 10 seconds.
    """
    link = Link(url, login(url, settings), name=name, inbox=names.FRONTEND_INBOX, metrics=metrics, log=log)

    async def prepare() -> None:
        async with link.asking("preparing streams") as js:
            await ensure_streams(js, settings, update=True)
            await ensure_keys(js, settings)

    await link.open(prepare)
    publisher, keys, spent = (
        NatsPublisher(link, store=store, metrics=metrics),
        NatsBucket(link, prepare),
        NatsTally(link, settings, log),
    )

    async def close() -> None:
        await keys.close()
        await publisher.close()

    try:
        await publisher.start()
        await spent.start()
    except BusUnavailable:
        await close()
        raise
    return FrontendBus(publisher, keys, spent, close)


async def open_consumer(  # noqa: PLR0913 - what differs between two processes, each named at the call
    url: str,
    *,
    store: str,
    settings: ProxySettings,
    metrics: Metrics,
    log: Log,
    name: str,
    clock: Callable[[], float],
) -> Consumer:
    """A writer's bus: connected, streams and consumers there, every tombstone known.

    `clock` gives seconds since the epoch. Raises BusUnavailable as `open_frontend_bus` does.
    """
    link = Link(url, login(url, settings), name=name, inbox=names.WRITER_INBOX, metrics=metrics, log=log)
    consumer = NatsConsumer(link, store=store, settings=settings, clock=clock)
    await link.open(consumer.prepare)
    try:
        await consumer.start()
    except BusUnavailable:
        await consumer.close()
        raise
    return consumer
