"""Flushes, carried out one after another beside everything else: a store with a million entries takes its time, and
neither answers nor deletions wait for that. Until one is done its mark keeps what is still there from being served.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from askonce.bus.protocols import Delivery
from askonce.core.errors import BusError, StoreError
from askonce.core.events import Flushed
from askonce.stores.protocols import Writer
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from askonce.writer.holding import extended
from askonce.writer.outage import Outage, luck, unless
from askonce.writer.settle import ACK, HOLD, Ack, Hold, Reject, Retry, RetryReason, Verdict, failed

CarryOut = Callable[[Delivery, Ack | Retry | Reject], Awaitable[None]]

_BACK: Final = Retry(0.0, RetryReason.UNAVAILABLE)


class Flushing:
    """What is taken stays in hand, however long that is, until it is done or this writer is told to stop: then it goes
    back, and another writer begins it anew.
    """

    def __init__(self, store: Writer, ack_wait: float, carry_out: CarryOut, *, metrics: Metrics, log: Log) -> None:
        self._store, self._carry_out, self._log = store, carry_out, log
        self._every = ack_wait / 3
        self._outage = Outage(store, "flush", log)
        self._removed = metrics.counter("askonce_writer_deleted_total", store.name)
        self._in_hand: deque[Delivery] = deque()
        self._events: asyncio.Queue[tuple[Delivery, Flushed]] = asyncio.Queue()

    def take(self, delivery: Delivery, event: Flushed) -> None:
        self._in_hand.append(delivery)
        self._events.put_nowait((delivery, event))

    async def run(self, stop: asyncio.Event) -> None:
        """Returns once `stop` is set. `give_back` when nothing more is taken."""
        async with extended(self._in_hand, self._every, self._log):
            while (taken := await unless(stop, self._events.get())) is not None:
                await self._carry(*taken, stop)

    async def give_back(self) -> None:
        while self._in_hand:
            await self._settle(self._in_hand[0], _BACK)

    async def _carry(self, delivery: Delivery, event: Flushed, stop: asyncio.Event) -> None:
        while not stop.is_set():
            verdict = await self._try(delivery, event, stop)
            if not isinstance(verdict, Hold):
                await self._settle(delivery, verdict)
                return
            await self._outage.wait(stop)

    async def _try(self, delivery: Delivery, event: Flushed, stop: asyncio.Event) -> Verdict:
        try:
            removed = await unless(stop, self._store.flush(event.namespace, event.at))
        except StoreError as error:
            self._outage.begin(error)
            return HOLD
        except Exception:  # noqa: BLE001 - a bug in a store must not end the writing
            self._log.exception("flush_failed", store=self._store.name)
            return failed(delivery.deliveries, luck())
        self._outage.over()
        if removed is None:
            return _BACK
        self._removed.inc(removed)
        self._log.info("flushed", store=self._store.name, namespace=event.namespace, entries=removed)
        return ACK

    async def _settle(self, delivery: Delivery, verdict: Ack | Retry | Reject) -> None:
        self._in_hand.remove(delivery)
        with suppress(BusError):  # it comes again by itself
            await self._carry_out(delivery, verdict)
