"""The frontend process put together: started, opened, drained in order."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiohttp import web

from askonce.bus.nats import open_frontend_bus
from askonce.calls.table import ENDPOINTS
from askonce.config.own import is_loopback
from askonce.config.rules import read_rules
from askonce.config.settings import Settings
from askonce.core.errors import EmbedderUnavailable
from askonce.core.policy import Rules
from askonce.frontend.accounts.accounts import Accounts, open_accounts
from askonce.frontend.accounts.prices import token_price
from askonce.frontend.auth import open_gate
from askonce.frontend.backing import LATE, WARM_WITHIN, open_backing
from askonce.frontend.deployments import Deployments, for_clients
from askonce.frontend.embedders.open import NotServed
from askonce.frontend.embedding import Embedding, open_embedding
from askonce.frontend.enriching import Enricher
from askonce.frontend.flights import Flights
from askonce.frontend.grouping import Groups
from askonce.frontend.keeping import Keeper, Queue
from askonce.frontend.keys import Keys
from askonce.frontend.limits import Limiter
from askonce.frontend.meaning import Meaning
from askonce.frontend.news import News
from askonce.frontend.observe import PASSED_THROUGH, Observer
from askonce.frontend.outbox import Outbox
from askonce.frontend.question import Placing
from askonce.frontend.routing.router import open_router
from askonce.frontend.upstream import Upstream
from askonce.frontend.wiring import Parts, routes
from askonce.runtime.clock import timer, wall
from askonce.runtime.drain import Drain
from askonce.stores.counting.opening import open_counters
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

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
        self._leaving = asyncio.Event()
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
        self._backing = await open_backing(settings, metrics, log, at_close)
        memory, store = self._backing.memory, self._backing.store
        bus = await open_frontend_bus(
            nats_url, store=settings.cache.type, settings=self._proxy, metrics=metrics, log=log, name=self._name
        )
        at_close(bus.close)
        self._bus, self._keys, self._spent = bus.publisher, bus.keys, bus.spent
        deployments = for_clients(settings)
        price = token_price(settings.routing)
        self._router = open_router(settings, deployments, self._bus.tell, metrics, wall, price, log=log)
        news = News(memory, log, wall, self._router.cooldowns.heard)
        await self._bus.listen(news.hear, news.gap)
        self._outbox = None if store is None else Outbox(self._bus, self._proxy, metrics, log, wall)
        if self._outbox is not None:
            self._outbox.start()
            at_close(self._empty_outbox, self._outbox)
        self._upstream = Upstream(self._proxy, self._version)
        at_close(self._upstream.close)
        counters = await open_counters(settings, metrics=metrics, log=log, timer=timer)
        at_close(counters.close)
        accounts = open_accounts(self._spent, metrics, log, at_close)
        rules = self._rules()
        placing = await self._open_placing(deployments, rules, at_close)
        meaning, queue = await self._open_meaning(placing, at_close)
        self._flights = self._make_flights(rules, queue, accounts)
        at_close(self._finish_answers)
        observer = self._open_observer(at_close)
        parts = Parts(
            settings=settings,
            memory=memory,
            store=store,
            inspector=self._backing.inspector,
            tier=self._backing.tier,
            bus=self._bus,
            keys=self._keys,
            spent=self._spent,
            placing=placing,
            limiter=Limiter(counters, metrics, accounts.ledger),
            ledger=accounts.ledger,
            meaning=meaning,
            flights=self._flights,
            upstream=self._upstream,
            observer=observer,
            metrics=metrics,
            log=log,
            leaving=self._leaving,
            draining=self._draining,
        )
        server = routes(parts).server()
        self._runner = web.ServerRunner(server, shutdown_timeout=self._drain.handlers, handle_signals=False)
        at_close(self._runner.cleanup)
        await self._runner.setup()

    async def _open_placing(self, deployments: Deployments, rules: Rules, at_close: Callable[..., object]) -> Placing:
        settings = self._settings
        gate = await open_gate(
            settings,
            self._keys,
            deployments.by_name.meant,
            at_close,
            local=self._proxy.host is not None and is_loopback(self._proxy.host),
            metrics=self._metrics,
            log=self._log,
        )
        groups = Groups(settings.routing.caching_groups, deployments)
        return Placing(deployments, gate, Keys(settings.cache.namespace, groups), rules)

    def _open_observer(self, at_close: Callable[..., object]) -> Observer:
        observer = Observer([*(one.name for one in ENDPOINTS), PASSED_THROUGH], self._metrics, self._log, timer)
        at_close(_cancelled, asyncio.create_task(observer.flush_for_ever(), name="observer"))
        return observer

    async def listen(self, address: Address) -> None:
        """Raises OSError when the address cannot be had."""
        site: web.BaseSite
        if address.inherited is not None:
            site = web.SockSite(self._runner, address.inherited, backlog=2048)
        else:
            site = web.TCPSite(self._runner, address.host, address.port, backlog=2048, reuse_port=True)
        await site.start()

    def leave(self) -> None:
        """Says from now on that it is not ready, and that connections end, and serves on: what is to come before
        `close` where a balancer stands in front.
        """
        self._leaving.set()

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

    async def _open_meaning(
        self, placing: Placing, at_close: Callable[..., object]
    ) -> tuple[Meaning | None, Queue | None]:
        """What matches by meaning, where the store can; and where answers go that are to be written."""
        matcher, outbox = self._backing.matcher, self._outbox
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
            memory=self._backing.memory,
            rules=rules,
            settings=settings,
            metrics=self._metrics,
            clock=wall,
        )
        return meaning, enricher

    async def _warm_embedder(self, embedding: Embedding) -> None:
        try:
            async with asyncio.timeout(WARM_WITHIN):
                await embedding.ping()
        except (EmbedderUnavailable, TimeoutError) as error:
            self._log.warning("embedder_unavailable", why=str(error) or LATE)

    async def _enrich_the_rest(self, enricher: Enricher) -> None:
        await enricher.drain(max(_LEAST, self._until - timer()))

    def _rules(self) -> Rules:
        cache = self._settings.cache
        return Rules(cache.enabled, cache.call_types, cache.opt_in, cache.ttl, self._proxy.max_entry_bytes)

    def _make_flights(self, rules: Rules, queue: Queue | None, accounts: Accounts) -> Flights:
        everything_is_told = self._outbox is None  # where memory is the only store, the others have it from the bus
        keeper = Keeper(
            rules=rules,
            memory=self._backing.memory,
            bus=self._bus,
            queue=queue,
            broadcast_bytes=self._bus.max_payload // 2 if everything_is_told else self._proxy.broadcast_bytes,
            metrics=self._metrics,
            log=self._log,
            clock=wall,
        )
        return Flights(
            upstream=self._upstream,
            router=self._router,
            keeper=keeper,
            accounts=accounts,
            rules=rules,
            metrics=self._metrics,
            log=self._log,
            clock=wall,
        )


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
