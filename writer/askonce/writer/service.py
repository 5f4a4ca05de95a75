"""The writer process put together."""

import asyncio

from aiohttp import web

from askonce.bus.nats import open_consumer
from askonce.config.settings import Settings
from askonce.core.errors import StoreError
from askonce.runtime.clock import wall
from askonce.stores.registry import STORES
from askonce.telemetry.beginning import begin
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import CONTENT_TYPE, Metrics
from askonce.writer.counted import words
from askonce.writer.worker import Worker


class WriterService:
    """One writer. `open` connects, `run` works until told to stop, `close` leaves."""

    def __init__(self, settings: Settings, *, name: str, metrics: Metrics, log: Log) -> None:
        self._settings = settings
        self._name = name
        self._metrics = metrics
        self._log = log
        self._runner: web.AppRunner | None = None

    async def open(self, nats_url: str) -> None:
        """Raises BusUnavailable when the queue cannot be reached; a store that is away is only told."""
        row = STORES[self._settings.cache.type]
        begin(self._metrics, "writer", words(row.name))
        self._store = row.open_writer(self._settings, wall)
        self._consumer = await open_consumer(
            nats_url,
            store=self._settings.cache.type,
            settings=self._settings.proxy,
            metrics=self._metrics,
            log=self._log,
            name=self._name,
            clock=wall,
        )
        try:
            async with asyncio.timeout(2.0):
                await self._store.ping()
        except (StoreError, TimeoutError) as error:
            self._log.warning("store_unavailable", store=self._store.name, why=str(error) or "no answer in time")

    async def run(self, stop: asyncio.Event) -> None:
        worker = Worker(
            consumer=self._consumer,
            store=self._store,
            settings=self._settings.proxy,
            metrics=self._metrics,
            log=self._log,
            clock=wall,
        )
        await worker.run(stop)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        await self._consumer.close()
        await self._store.close()

    async def expose(self, host: str, port: int) -> None:
        """`/metrics` and `/health/liveliness` of a writer that runs by itself. Raises OSError."""
        app = web.Application()
        app.router.add_get("/metrics", self._exposition)
        app.router.add_get("/health/liveliness", self._liveliness)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def _exposition(self, _request: web.Request) -> web.Response:
        rendered = await asyncio.to_thread(self._metrics.render)
        return web.Response(body=rendered, headers={"Content-Type": CONTENT_TYPE})

    async def _liveliness(self, _request: web.Request) -> web.Response:
        return web.json_response("I'm alive!")
