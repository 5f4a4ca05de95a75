"""Removing expired entries from the store, now and then. Knows no queue."""

import asyncio
from collections.abc import Callable
from typing import Final

from askonce.core.errors import StoreError
from askonce.stores.protocols import Writer
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from askonce.writer.outage import luck, stopped

EVERY: Final = 60.0  # seconds, give or take a tenth: writers that started together do not sweep together


async def sweep_until(
    stop: asyncio.Event, store: Writer, *, metrics: Metrics, log: Log, clock: Callable[[], float]
) -> None:
    """Sweeps once a minute. A store that is away is swept the next time."""
    swept = metrics.counter("askonce_writer_swept_total", store.name)
    while not await stopped(stop, EVERY * (0.9 + luck() / 5)):
        try:
            swept.inc(await store.sweep(clock()))
        except StoreError as error:
            log.debug("sweep_put_off", store=store.name, reason=str(error))
        except Exception:
            log.exception("sweep_failed", store=store.name)
