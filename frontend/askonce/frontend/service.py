"""The frontend process put together: started, opened, drained in order."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypedDict

from aiohttp import web

from askonce.bus.nats import open_publisher
from askonce.calls.table import ENDPOINTS
from askonce.config.rules import read_rules
from askonce.config.settings import Settings
from askonce.core.errors import EmbedderUnavailable, StoreUnavailable
from askonce.core.policy import Rules
from askonce.frontend.auth import Gate
from askonce.frontend.deployments import Deployments, for_clients
from askonce.frontend.embedders.open import NotServed
from askonce.frontend.embedding import Embedding, open_embedding
from askonce.frontend.enriching import Enricher
from askonce.frontend.flights import Flights
from askonce.frontend.keeping import Keeper, Queue
from askonce.frontend.keys import Keys
from askonce.frontend.limits import Limiter
from askonce.frontend.meaning import Meaning
from askonce.frontend.news import News
from askonce.frontend.observe import PASSED_THROUGH, Observer
from askonce.frontend.outbox import Outbox
from askonce.frontend.question import Placing
from askonce.frontend.upstream import Upstream
from askonce.frontend.wiring import Parts, routes
from askonce.runtime.clock import timer, wall
from askonce.runtime.drain import Drain
from askonce.stores.guards import Guarded, GuardedMatcher
from askonce.stores.inspection import Inspector
from askonce.stores.memory import MemoryStore
from askonce.stores.registry import STORES
from askonce.stores.tier import Tiered
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_WARM_WITHIN = 2.0
_LATE = "no answer in time"
_LEAST = 0.1  # seconds for answers to end in, once requests took all the time there was


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a socket that somebody else has bound, or a host and a port to share with other frontends
    (SO_REUSEPORT; see docs/decisions/0004).
    """

    host: str
    port: int
    inherited: socket.socket | None = None


class Frontend:
    """One frontend. `open` brings up everything but the port; `listen` opens it; `close` drains."""

    def __init__(self, settings: Settings, *, name: str, version: str, metrics: Metrics, log: Log) -> None:
        self._settings = settings
        self._proxy = settings.proxy
        self._name = name
        self._version = version
        self._metrics = metrics
        self._log = log
        self._draining = asyncio.Event()
        self._drain = Drain(self._proxy.drain_seconds)
        self._until = 0.0  # when requests and answers must be finished, on `timer`

    async def open(self, nats_url: str) -> None:
        """Raises BusUnavailable when the queue cannot be reached, and leaves nothing open then; a store that is away
        is only told.
        """
        async with AsyncExitStack() as opened:
            await self._open(nats_url, opened.push_async_callback)
            self._opened = opened.pop_all()

    async def _open(self, nats_url: str, at_close: Callable[..., object]) -> None:
        """What is handed to `at_close` is called in the reverse order: first comes last."""
        settings, metrics, log = self._settings, self._metrics, self._log
        self._memory = MemoryStore(
            max_bytes=self._proxy.memory_bytes, ttl_cap=settings.cache.memory_ttl, metrics=metrics
        )
        self._store, self._matcher = self._guarded()
        if self._store is not None:
            at_close(self._store.close)
            await self._warm(self._store)
        tier = Tiered(self._memory, self._store, recheck=self._proxy.memory_recheck, clock=wall)
        self._bus = await open_publisher(
            nats_url, store=settings.cache.type, settings=self._proxy, metrics=metrics, log=log, name=self._name
        )
        at_close(self._bus.close)
        news = News(self._memory, log, wall)
        await self._bus.listen(news.hear, news.gap)
        self._outbox = None if self._store is None else Outbox(self._bus, self._proxy, metrics, log, wall)
        if self._outbox is not None:
            self._outbox.start()
            at_close(self._empty_outbox, self._outbox)
        self._upstream = Upstream(self._proxy, self._version)
        at_close(self._upstream.close)
        rules = self._rules()
        deployments = for_clients(settings)
        local = self._proxy.host in _LOOPBACK
        gate = Gate(_secret(settings), self._proxy.cache_scope, local=local)
        placing = Placing(deployments, gate, Keys(settings.cache.namespace), rules)
        meaning, queue = await self._open_meaning(placing, at_close)
        self._flights = self._make_flights(rules, queue)
        at_close(self._finish_answers)
        observer = Observer([*(one.name for one in ENDPOINTS), PASSED_THROUGH], metrics, log, timer)
        flushing = asyncio.create_task(observer.flush_for_ever(), name="observer")
        at_close(_cancelled, flushing)
        parts = Parts(
            settings=settings,
            memory=self._memory,
            store=self._store,
            inspector=self._open_inspector(at_close),
            tier=tier,
            bus=self._bus,
            placing=placing,
            limiter=Limiter(None),
            meaning=meaning,
            flights=self._flights,
            upstream=self._upstream,
            observer=observer,
            metrics=metrics,
            log=log,
            draining=self._draining,
        )
        server = routes(parts).server()
        self._runner = web.ServerRunner(server, shutdown_timeout=self._drain.handlers, handle_signals=False)
        at_close(self._runner.cleanup)
        await self._runner.setup()

    async def listen(self, address: Address) -> None:
        """Raises OSError when the address cannot be had."""
        site: web.BaseSite
        if address.inherited is not None:
            site = web.SockSite(self._runner, address.inherited, backlog=2048)
        else:
            site = web.TCPSite(self._runner, address.host, address.port, backlog=2048, reuse_port=True)
        await site.start()

    async def close(self) -> None:
        """Stops accepting, finishes requests, finishes answers, flushes the outbox, leaves: all within `Drain.longest`.

        What is not done by then is given up and counted.
        """
        self._draining.set()
        self._until = timer() + self._drain.seconds
        await self._opened.aclose()

    async def _finish_answers(self) -> None:
        await self._flights.drain(max(_LEAST, self._until - timer()))

    async def _empty_outbox(self, outbox: Outbox) -> None:
        left = await outbox.flush(max(self._drain.outbox, self._until - timer()))
        if left:
            self._log.error("answers_lost", events=left)
        await outbox.close()

    async def _warm(self, store: Guarded) -> None:
        """A connection before the first request; a store that is away is no reason not to serve."""
        try:
            async with asyncio.timeout(_WARM_WITHIN):
                await store.ping()
        except (StoreUnavailable, TimeoutError) as error:
            self._log.warning("store_unavailable", store=store.name, why=str(error) or _LATE)

    def _guarded(self) -> tuple[Guarded | None, GuardedMatcher | None]:
        """The store behind memory, with deadline and breaker, and the same again where it matches by meaning; None
        where memory is all there is.
        """
        settings, row = self._settings, STORES[self._settings.cache.type]
        if not (row.shared and settings.cache.enabled):
            return None, None
        deadline = row.deadline if self._proxy.store_deadline is None else self._proxy.store_deadline
        around: _Around = {"deadline": deadline, "metrics": self._metrics, "log": self._log, "timer": timer}
        if row.open_matcher is not None:
            matcher = GuardedMatcher(row.open_matcher(settings, wall), **around)
            return matcher, matcher
        return Guarded(row.open_reader(settings, wall), **around), None

    def _open_inspector(self, at_close: Callable[..., object]) -> Inspector | None:
        """What the store's server is asked with for operators, where it tells anything."""
        open_inspector = STORES[self._settings.cache.type].open_inspector
        if open_inspector is None or not self._settings.cache.enabled:
            return None
        inspector = open_inspector(self._settings)
        at_close(inspector.close)
        return inspector

    async def _open_meaning(
        self, placing: Placing, at_close: Callable[..., object]
    ) -> tuple[Meaning | None, Queue | None]:
        """What matches by meaning, where the store can; and where answers go that are to be written."""
        matcher, outbox = self._matcher, self._outbox
        if matcher is None or outbox is None:
            return None, outbox
        settings = self._settings
        rules = read_rules(self._proxy.semantic_rules)
        try:
            embedding = open_embedding(
                settings,
                upstream=self._upstream,
                deployments=Deployments(settings.deployments),
                metrics=self._metrics,
                log=self._log,
                timer=timer,
            )
        except NotServed as error:  # the store goes on by exact keys
            self._log.warning("embedder_not_served", why=str(error))
            return None, outbox
        at_close(embedding.close)
        await self._warm_embedder(embedding)
        enricher = Enricher(embedding, outbox, self._proxy.outbox_bytes)
        at_close(self._enrich_the_rest, enricher)
        meaning = Meaning(
            placing=placing,
            embedding=embedding,
            matcher=matcher,
            memory=self._memory,
            rules=rules,
            settings=settings,
            metrics=self._metrics,
            clock=wall,
        )
        return meaning, enricher

    async def _warm_embedder(self, embedding: Embedding) -> None:
        try:
            async with asyncio.timeout(_WARM_WITHIN):
                await embedding.ping()
        except (EmbedderUnavailable, TimeoutError) as error:
            self._log.warning("embedder_unavailable", why=str(error) or _LATE)

    async def _enrich_the_rest(self, enricher: Enricher) -> None:
        await enricher.drain(max(_LEAST, self._until - timer()))

    def _rules(self) -> Rules:
        cache = self._settings.cache
        return Rules(cache.enabled, cache.call_types, cache.opt_in, cache.ttl, self._proxy.max_entry_bytes)

    def _make_flights(self, rules: Rules, queue: Queue | None) -> Flights:
        everything_is_told = self._outbox is None  # where memory is the only store, the others have it from the bus
        keeper = Keeper(
            rules=rules,
            memory=self._memory,
            bus=self._bus,
            queue=queue,
            broadcast_bytes=self._bus.max_payload // 2 if everything_is_told else self._proxy.broadcast_bytes,
            metrics=self._metrics,
            log=self._log,
            clock=wall,
        )
        return Flights(
            upstream=self._upstream,
            keeper=keeper,
            rules=rules,
            metrics=self._metrics,
            log=self._log,
            clock=wall,
        )


class _Around(TypedDict):
    """What a guard is made with, whatever it guards."""

    deadline: float | None
    metrics: Metrics
    log: Log
    timer: Callable[[], float]


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _secret(settings: Settings) -> str | None:
    return None if settings.master_key is None else settings.master_key.get_secret_value()
