"""The writer's loops: answers into the store, deletions and flushes out of it, expired entries away. Decides nothing
itself (see settle) and never talks to a model.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, assert_never

from askonce.bus.protocols import Consumer, Delivery
from askonce.config.settings import ProxySettings
from askonce.core.errors import BusError, BusUnavailable, StoreError
from askonce.core.events import Deleted, Flushed
from askonce.core.key import CacheKey
from askonce.stores.protocols import Writer
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from askonce.writer.batching import Message
from askonce.writer.depths import watch_until
from askonce.writer.flushing import Flushing
from askonce.writer.holding import extended
from askonce.writer.outage import Outage, luck, stopped
from askonce.writer.persist import Persistence
from askonce.writer.settle import (
    ACK,
    HOLD,
    Ack,
    Hold,
    Reject,
    Retry,
    RetryReason,
    Verdict,
    admit,
    admit_deletion,
    failed,
)
from askonce.writer.sweep import sweep_until

BATCH: Final = 256  # one durable commit of the disk store costs the same for 256 entries as for one
_WAIT: Final = 0.25  # seconds for the first message of a batch; also the longest that a stop goes unnoticed
_AWAY: Final = 0.5  # seconds before asking a queue that is away again

Fetch = Callable[[int, float], Awaitable[list[Delivery]]]
Judge = Callable[[Sequence[Delivery]], Awaitable[list[Verdict]]]  # does what is to be done; one verdict for each


class Worker:
    """One writer process's work. `run` owns every task; when `stop` is set it finishes the batches in hand."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        store: Writer,
        settings: ProxySettings,
        metrics: Metrics,
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self._consumer, self._store, self._settings = consumer, store, settings
        self._metrics, self._log, self._clock = metrics, log, clock
        self._no_puts, self._no_deletions = Outage(store, "put", log), Outage(store, "delete", log)
        self._persistence = Persistence(
            store, consumer.tombstones, self._no_puts, metrics=metrics, log=log, clock=clock
        )
        self._flushing = Flushing(store, consumer.ack_wait, self._carry_out, metrics=metrics, log=log)
        self._bus_away = False

    async def run(self, stop: asyncio.Event) -> None:
        """Returns once `stop` is set and everything in hand is settled, with the queue knowing it."""
        async with asyncio.TaskGroup() as loops:
            for name, fetch, judge, outage in (
                ("writer-answers", self._consumer.answered, self._persist, self._no_puts),
                ("writer-deletions", self._deletions, self._delete, self._no_deletions),
            ):
                loops.create_task(self._work(stop, fetch, judge, outage), name=name)
            loops.create_task(self._flushing.run(stop), name="writer-flushes")
            loops.create_task(
                watch_until(stop, self._consumer, self._store.name, metrics=self._metrics, log=self._log),
                name="writer-depths",
            )
            loops.create_task(
                sweep_until(stop, self._store, metrics=self._metrics, log=self._log, clock=self._clock),
                name="writer-sweep",
            )
        await self._flushing.give_back()
        try:
            await self._consumer.ping()  # a round trip: acknowledgements sent before it have arrived
        except BusUnavailable as error:
            self._log.warning("bus_away_at_stop", reason=str(error))

    async def _work(self, stop: asyncio.Event, fetch: Fetch, judge: Judge, outage: Outage) -> None:
        while not stop.is_set():
            try:
                deliveries = await fetch(BATCH, _WAIT)
                if deliveries:
                    await self._settle(deliveries, judge, outage, stop)
                self._bus(None)
            except BusError as error:
                self._bus(error)
                await stopped(stop, _AWAY)

    async def _settle(self, deliveries: Sequence[Delivery], judge: Judge, outage: Outage, stop: asyncio.Event) -> None:
        """What the store cannot take stays in hand until it can, and nothing more is fetched meanwhile; told to stop,
        hands it back.
        """
        held = deque(deliveries)
        async with extended(held, self._consumer.ack_wait / 3, self._log):
            while held:
                for verdict in await judge(tuple(held)):
                    delivery = held.popleft()
                    if isinstance(verdict, Hold):
                        held.append(delivery)
                    else:
                        await self._carry_out(delivery, verdict)
                if held:
                    await outage.wait(stop)
                while held and stop.is_set():
                    await self._carry_out(held.popleft(), Retry(0.0, RetryReason.UNAVAILABLE))

    async def _persist(self, deliveries: Sequence[Delivery]) -> list[Verdict]:
        now, horizon = self._clock(), self._settings.tombstone_age
        admitted = [admit(one.data, one.deliveries, now=now, horizon=horizon) for one in deliveries]
        messages = [
            Message(delivery, event)
            for delivery, event in zip(deliveries, admitted, strict=True)
            if not isinstance(event, Reject)
        ]
        verdicts = iter(await self._persistence.persist(messages) if messages else ())
        return [one if isinstance(one, Reject) else next(verdicts) for one in admitted]

    async def _deletions(self, limit: int, wait: float) -> list[Delivery]:
        """What has come, less the flushes: those are carried out elsewhere, in their own time."""
        rest: list[Delivery] = []
        for delivery in await self._consumer.deleted(limit, wait):
            event = admit_deletion(delivery.data)
            if isinstance(event, Flushed):
                self._flushing.take(delivery, event)
            else:
                rest.append(delivery)
        return rest

    async def _delete(self, deliveries: Sequence[Delivery]) -> list[Verdict]:
        admitted = [admit_deletion(one.data) for one in deliveries]
        events = [one for one in admitted if isinstance(one, Deleted)]
        verdict = await self._remove(list(dict.fromkeys(key for event in events for key in event.keys)))
        return [
            event if isinstance(event, Reject) else verdict(delivery.deliveries)
            for delivery, event in zip(deliveries, admitted, strict=True)
        ]

    async def _remove(self, keys: Sequence[CacheKey]) -> Callable[[int], Verdict]:
        """Gives the verdict for a deletion of so many deliveries."""
        try:
            if keys:
                await self._store.delete(keys)
        except StoreError as error:
            self._no_deletions.begin(error)
            return lambda _: HOLD
        except Exception:  # noqa: BLE001 - a bug in a store must not end the writing
            self._log.exception("delete_failed", store=self._store.name, keys=len(keys))
            return lambda deliveries: failed(deliveries, luck())
        self._no_deletions.over()
        self._metrics.counter("askonce_writer_deleted_total", self._store.name).inc(len(keys))
        return lambda _: ACK

    async def _carry_out(self, delivery: Delivery, verdict: Ack | Retry | Reject) -> None:
        match verdict:
            case Ack():
                await delivery.ack()
            case Retry(after=after, reason=why):
                await delivery.retry(after)
                self._metrics.counter("askonce_writer_retries_total", self._store.name, why).inc()
            case Reject(reason=why):
                await delivery.reject(why)
                self._metrics.counter("askonce_writer_dead_letters_total", self._store.name, why).inc()
                self._log.warning("dead_letter", store=self._store.name, reason=why, deliveries=delivery.deliveries)
            case _:
                assert_never(verdict)

    def _bus(self, error: BusError | None) -> None:
        """Tells of the first failure and of the end of it."""
        if error is not None and not self._bus_away:
            self._log.warning("bus_away", reason=str(error))
        elif error is None and self._bus_away:
            self._log.info("bus_back")
        self._bus_away = error is not None
