"""Keeping deliveries in hand for longer than the queue would wait. Knows neither the store nor why it takes so long."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from askonce.bus.protocols import Delivery
from askonce.core.errors import BusUnavailable
from askonce.telemetry.logs import Log


@asynccontextmanager
async def extended(held: Collection[Delivery], every: float, log: Log) -> AsyncIterator[None]:
    """While inside, whatever `held` holds at the time is extended again and again, every so many seconds."""
    extending = asyncio.create_task(_extend(held, every, log), name="writer-extending")
    try:
        yield
    finally:
        extending.cancel()
        await asyncio.wait({extending})
        if not extending.cancelled():  # it ends by a bug only
            extending.result()


async def _extend(held: Collection[Delivery], every: float, log: Log) -> None:
    while True:
        await asyncio.sleep(every)
        try:
            for delivery in tuple(held):
                await delivery.extend()
        except BusUnavailable as error:  # others may get them too, which does no harm
            log.debug("extension_failed", held=len(held), reason=str(error))
