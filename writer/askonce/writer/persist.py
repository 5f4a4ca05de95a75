"""How admitted messages get into the store, so that none is lost and nothing deleted comes back. Knows no queue but
its tombstones; acknowledges nothing.
"""

from collections.abc import Awaitable, Callable, Sequence

from askonce.bus.protocols import Tombstones
from askonce.core.entry import Entry
from askonce.core.errors import BusUnavailable, StoreRefused, StoreUnavailable
from askonce.stores.protocols import Writer
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from askonce.writer.batching import Message, gather, overtaken
from askonce.writer.outage import Outage, luck
from askonce.writer.settle import ACK, HOLD, Hold, Refusal, Reject, RejectReason, Verdict, failed

Put = Callable[[Sequence[Entry]], Awaitable[None]]


class Persistence:
    """Puts batches and gives a verdict for each message."""

    def __init__(
        self,
        store: Writer,
        tombstones: Tombstones,
        outage: Outage,
        *,
        metrics: Metrics,
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._tombstones, self._outage = store, tombstones, outage
        self._metrics, self._log, self._clock = metrics, log, clock
        self._batch_entries = metrics.histogram("askonce_writer_batch_entries", store.name)
        self._persisted = metrics.counter("askonce_writer_persisted_total", store.name)
        self._lag = metrics.histogram("askonce_writer_lag_seconds", store.name)

    async def persist(self, messages: Sequence[Message]) -> list[Verdict]:
        """One verdict for each message, in order.

        Raises BusUnavailable when the second look could not be taken: then nothing is to be settled, and all come
        again by themselves.
        """
        try:
            await self._keep(messages, self._put)
        except StoreUnavailable as error:
            self._outage.begin(error)
            return [HOLD] * len(messages)
        except StoreRefused:
            return await self._persist_one_by_one(messages)
        except BusUnavailable:
            raise
        except Exception:  # noqa: BLE001 - a bug in a store must hold up neither the queue nor its neighbours
            self._log.exception("put_failed", store=self._store.name, messages=len(messages))
            return await self._persist_one_by_one(messages)
        self._outage.over()
        return [ACK] * len(messages)

    async def _persist_one_by_one(self, messages: Sequence[Message]) -> list[Verdict]:
        """Up to the first that meets an outage: each of the others would only wait for it once more."""
        verdicts: list[Verdict] = []
        for message in messages:
            verdicts.append(await self._persist_alone(message))
            if isinstance(verdicts[-1], Hold):
                break
        return verdicts + [HOLD] * (len(messages) - len(verdicts))

    async def _persist_alone(self, message: Message) -> Verdict:
        try:
            await self._keep([message], self._put_each)
        except StoreUnavailable as error:
            self._outage.begin(error)
            return HOLD
        except StoreRefused as error:
            self._log.warning("entry_refused", store=self._store.name, reason=str(error))
            return Reject(RejectReason.REFUSED)
        except BusUnavailable:
            raise
        except Exception:  # noqa: BLE001 - as above; this is the message at fault
            self._log.exception("put_failed", store=self._store.name, messages=1)
            return failed(message.delivery.deliveries, luck())
        return ACK

    async def _keep(self, messages: Sequence[Message], put: Put) -> None:
        """Puts, looks again whether anything was deleted meanwhile, and takes that out again."""
        batch = gather(messages, self._tombstones.at, self._clock())
        if batch.revived:
            await self._store.remove(batch.revived)
        if batch.asked:
            await put(batch.entries)
            await self._tombstones.refresh()
            if gone := overtaken(batch, self._tombstones.at):
                await self._store.remove(gone)
                batch.refused[Refusal.DELETED] += len(gone)
        for why, count in batch.refused.items():
            self._metrics.counter("askonce_writer_refused_total", self._store.name, why).inc(count)

    async def _put_each(self, entries: Sequence[Entry]) -> None:
        """One refused entry does not keep out the others of its message; raises StoreRefused after them."""
        refused: StoreRefused | None = None
        for entry in entries:
            try:
                await self._put([entry])
            except StoreRefused as error:
                refused = error
        if refused is not None:
            raise refused

    async def _put(self, entries: Sequence[Entry]) -> None:
        begun, outcome = self._clock(), "failed"
        try:
            await self._store.put(entries)
            outcome = "ok"
        except StoreUnavailable:
            outcome = "unavailable"
            raise
        except StoreRefused:
            outcome = "refused"
            raise
        finally:
            now = self._clock()
            self._metrics.histogram("askonce_writer_put_seconds", self._store.name, outcome).observe(now - begun)
        self._batch_entries.observe(len(entries))
        self._persisted.inc(len(entries))
        for entry in entries:
            self._lag.observe(max(0.0, now - entry.stored_at))
