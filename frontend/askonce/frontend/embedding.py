"""From a text to its vector, for whoever matches by meaning. It never fails and never keeps anybody waiting for long:
whatever goes wrong is no vector, told by a reason in the metrics. Knows no model and no store.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from askonce.config.settings import Settings
from askonce.core.entry import Vector
from askonce.core.errors import EmbedderUnavailable
from askonce.frontend.deployments import Deployments
from askonce.frontend.embedders.breaker import Breaker
from askonce.frontend.embedders.gathering import Embedded, Gathering, Outcome
from askonce.frontend.embedders.known import Known
from askonce.frontend.embedders.open import open_embedder
from askonce.frontend.embedders.protocol import Embedder
from askonce.frontend.upstream import Upstream
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

_PATIENCE: Final = 10.0  # seconds for a vector that no request waits for


class Embedding:
    """`deadline` is what a request waits at most, in seconds; `known_bytes` is for texts embedded before.

    After five failures in a row nobody waits any more. From then on, after a second and then ever more seldom, up to
    every half minute, one text is embedded although nobody waits for it; once that is done within the deadline, all are
    again. An embedder may cost money by the call: it is asked nothing that nobody asked.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        deadline: float,
        known_bytes: int,
        metrics: Metrics,
        log: Log,
        timer: Callable[[], float],
    ) -> None:
        self._embedder = embedder
        self._deadline = deadline
        self._log = log
        self._timer = timer
        self._known = Known(known_bytes)
        self._breaker = Breaker(timer)
        took = metrics.histogram("askonce_embedding_seconds").observe
        self._gathering = Gathering(embedder, embedded=self._known.put, took=took, log=log, timer=timer)
        self._trying: asyncio.Task[None] | None = None
        self._open_gauge = metrics.gauge("askonce_embedding_breaker_open")
        self._open_gauge.set(0)
        self._counts = {outcome: metrics.counter("askonce_embeddings_total", outcome) for outcome in Outcome}

    @property
    def space(self) -> str:
        return self._embedder.space

    async def vector(self, text: str, *, patient: bool = False) -> Vector | None:
        """Never raises. `patient` is for work that no request waits for: it is given ten seconds, and goes last."""
        found = await self._look_up(text, patient=patient)
        self._counts[found.outcome].inc()
        return None if found.values is None else Vector(self.space, found.values)

    async def _look_up(self, text: str, *, patient: bool) -> Embedded:
        try:
            values = self._known.get(text)
        except UnicodeEncodeError:  # half of a surrogate pair, which is no text
            return Embedded(Outcome.UNFIT)
        if values is not None:
            return Embedded(Outcome.CACHED, values)
        if self._breaker.open:
            if self._breaker.try_now():
                self._trying = asyncio.create_task(self._try(text), name="embedding-try")
            return Embedded(Outcome.OPEN)
        started = self._timer()
        found = await self._within(_PATIENCE if patient else self._deadline, text, patient=patient)
        # Who is patient waits for everybody else: that it took long says nothing of the embedder.
        if found.outcome is Outcome.ERROR or (found.outcome is Outcome.TIMEOUT and not patient):
            self._failed(started, found.outcome)
        elif found.outcome in {Outcome.OK, Outcome.UNFIT} and self._timer() - started <= self._deadline:
            # what came too late for a request is no success, though work that can wait takes it
            self._breaker.succeeded()
        return found

    async def _within(self, seconds: float, text: str, *, patient: bool) -> Embedded:
        """A call that was begun goes on without who gives up, and its vectors are known from then on."""
        try:
            async with asyncio.timeout(seconds):
                return await self._gathering.get(text, patient=patient)
        except TimeoutError:
            return Embedded(Outcome.TIMEOUT)

    def _failed(self, started: float, outcome: Outcome) -> None:
        if self._breaker.failed(started):
            self._open_gauge.set(1)
            self._log.warning("embedding_breaker_opened", after=outcome)

    async def _try(self, text: str) -> None:
        found = Embedded(Outcome.ERROR)
        try:
            found = await self._within(self._deadline, text, patient=False)
        finally:  # also when it is cancelled
            if found.outcome in {Outcome.OK, Outcome.UNFIT}:
                self._breaker.close()
                self._open_gauge.set(0)
                self._log.info("embedding_breaker_closed")
            else:
                self._breaker.stay_open()

    async def ping(self) -> int:
        """Embeds one word, whatever happened before, and gives the number of dimensions. Raises EmbedderUnavailable."""
        values = (await self._embedder.embed(["word"]))[0]
        if values is None:
            raise EmbedderUnavailable("the model does not take even one word")
        return len(values) // 4

    async def close(self) -> None:
        """Whoever still waits gets nothing."""
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.wait({self._trying})
        await self._gathering.close()
        await self._embedder.close()


def open_embedding(
    settings: Settings,
    *,
    upstream: Upstream,
    deployments: Deployments,
    metrics: Metrics,
    log: Log,
    timer: Callable[[], float],
) -> Embedding:
    """Raises ConfigError, as `embedders.open.open_embedder` does."""
    return Embedding(
        open_embedder(settings, upstream, deployments),
        deadline=settings.proxy.embedding_deadline,
        known_bytes=settings.proxy.embedding_cache_bytes,
        metrics=metrics,
        log=log,
        timer=timer,
    )
