"""How much waits in the queue, asked now and then: for whoever watches, and for nothing else."""

import asyncio
from typing import Final

from askonce.bus.protocols import Consumer
from askonce.core.errors import BusUnavailable
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from askonce.writer.outage import stopped

EVERY: Final = 5.0  # seconds


async def watch_until(stop: asyncio.Event, consumer: Consumer, store: str, *, metrics: Metrics, log: Log) -> None:
    """Until the queue first answers there are no such gauges; while it is away they stay as they were."""
    while not stop.is_set():
        try:
            pending, depth = await consumer.pending(), await consumer.depth()
        except BusUnavailable as error:
            log.debug("depth_unknown", reason=str(error))
        else:
            metrics.gauge("askonce_writer_pending", store).set(pending)
            metrics.gauge("askonce_queue_messages").set(depth.messages)
            metrics.gauge("askonce_queue_bytes").set(depth.size)
            metrics.gauge("askonce_queue_limit_bytes").set(depth.limit)
            metrics.gauge("askonce_dead_letters").set(depth.dead)
        await stopped(stop, EVERY)
