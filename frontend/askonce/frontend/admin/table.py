"""The routes for operators, by method and path. JSON shapes are LiteLLM's where LiteLLM has them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import unquote

from aiohttp import hdrs, web

from askonce.bus.protocols import Publisher
from askonce.config.settings import CacheSettings
from askonce.core.errors import RequestError
from askonce.frontend import respond
from askonce.frontend.admin.cache import Cache
from askonce.frontend.admin.health import Health, Providers
from askonce.frontend.admin.listed import Listed
from askonce.frontend.admin.models import Models
from askonce.frontend.admin.ping import Ping
from askonce.frontend.auth import Gate
from askonce.frontend.deployments import Deployments
from askonce.frontend.paths import Aim
from askonce.frontend.routes import Aimed, Answering
from askonce.frontend.upstream import Upstream
from askonce.stores.inspection import Inspector
from askonce.stores.memory import MemoryStore
from askonce.stores.protocols import Reader
from askonce.telemetry.metrics import Metrics

_ONE_MODEL: Final = "/models/"
_LOOKS: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """`store` is the store behind the memory tier, or None where memory is all there is; `inspector` is None for a
    store that has none.
    """

    cache: CacheSettings
    listed: Listed
    gate: Gate
    deployments: Deployments
    upstream: Upstream
    memory: MemoryStore
    store: Reader | None
    inspector: Inspector | None
    bus: Publisher
    metrics: Metrics
    clock: Callable[[], float]
    draining: asyncio.Event

    def routes(self) -> dict[tuple[str, str], Answering]:
        """By method and path."""
        health = Health(self.cache, self.bus, self.metrics, self.draining)
        guarded = {**self._of_models(), **self._of_the_cache()}
        return {
            ("GET", "/health/liveliness"): health.liveliness,
            ("GET", "/health/liveness"): health.liveliness,
            ("GET", "/health/readiness"): health.readiness,
            ("GET", "/metrics"): health.exposition,
            **{where: self._guarded(answer) for where, answer in guarded.items()},
        }

    def before(self, relay: Aimed) -> Aimed:
        """`/v1/models/{name}`, whatever slashes the name has; all else is the relay's."""
        models = Models(self.deployments, self.listed)

        async def answer(request: web.BaseRequest, aim: Aim) -> web.StreamResponse:
            asked = request.method in _LOOKS and aim.path.startswith(_ONE_MODEL) and aim.path != _ONE_MODEL
            if not asked or aim.anthropic or aim.named is not None:
                return await relay(request, aim)
            name = unquote(aim.path.removeprefix(_ONE_MODEL))
            return await self._guarded(partial(models.one, name=name))(request)

        return answer

    def _of_models(self) -> dict[tuple[str, str], Answering]:
        models = Models(self.deployments, self.listed)
        return {
            ("GET", "/health"): Providers(self.listed, self.upstream).answer,
            ("GET", "/v1/models"): models.listing,
            ("GET", "/models"): models.listing,
            ("GET", "/v1/model/info"): models.info,
            ("GET", "/model/info"): models.info,
        }

    def _of_the_cache(self) -> dict[tuple[str, str], Answering]:
        ping = Ping(self.cache, self.memory, self.store, self.inspector, self.bus, self.clock)
        doing = Cache(self.cache, self.memory, self.store is not None, self.inspector, self.bus, self.clock)
        return {
            ("GET", "/cache/ping"): ping.answer,
            ("GET", "/cache/redis/info"): doing.server,
            ("POST", "/cache/delete"): doing.delete,
            ("POST", "/cache/flushall"): doing.flush,
        }

    def _guarded(self, answer: Answering) -> Answering:
        """With the master key only; what is refused gets OpenAI's shape."""

        async def guarded(request: web.BaseRequest) -> web.StreamResponse:
            try:
                await self.gate.admit(request.headers)
                return await answer(request)
            except RequestError as error:
                return respond.refusal(request, error)

        return guarded
