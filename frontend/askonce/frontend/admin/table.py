"""The routes for operators, by method and path. JSON shapes are LiteLLM's where LiteLLM has them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import unquote

from aiohttp import hdrs, web

from askonce.bus.protocols import Bucket, Publisher, Tally
from askonce.config.settings import CacheSettings
from askonce.core.errors import RequestError, bad_request
from askonce.frontend import respond
from askonce.frontend.access.caller import Caller
from askonce.frontend.admin.aliases import Aliases
from askonce.frontend.admin.cache import Cache
from askonce.frontend.admin.health import Health, Providers
from askonce.frontend.admin.issuing import Issuing
from askonce.frontend.admin.keys import Keys
from askonce.frontend.admin.listed import Listed
from askonce.frontend.admin.models import Models
from askonce.frontend.admin.ping import Ping
from askonce.frontend.admin.shown import Spent
from askonce.frontend.admin.teams import Teams
from askonce.frontend.admin.writing import away
from askonce.frontend.auth import Gate
from askonce.frontend.deployments import Deployments
from askonce.frontend.paths import Aim
from askonce.frontend.routes import Aimed, Answering
from askonce.frontend.upstream import Upstream
from askonce.stores.inspection import Inspector
from askonce.stores.memory import MemoryStore
from askonce.stores.protocols import Reader
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

_ONE_MODEL: Final = "/models/"
Called = Callable[[web.BaseRequest, Caller], Awaitable[web.StreamResponse]]
"""Answers whoever was let in, as what it may ask."""

_LOOKS: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """`store` is the store behind the memory tier, or None where memory is all there is; `inspector` is None for a
    store that has none. `keys` has the records of keys and teams, `spent` what they spent; `master` is the master key's
    hash, None where there is no master key.
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
    keys: Bucket
    spent: Tally
    master: str | None
    metrics: Metrics
    log: Log
    clock: Callable[[], float]
    leaving: asyncio.Event
    draining: asyncio.Event

    def routes(self) -> dict[tuple[str, str], Answering]:
        """By method and path."""
        health = Health(self.cache, self.bus, self.metrics, self.leaving, self.draining)
        guarded = {("GET", "/health"): Providers(self.listed, self.upstream).answer, **self._of_the_cache()}
        rows: dict[tuple[str, str], Answering] = {
            ("GET", "/health/liveliness"): health.liveliness,
            ("GET", "/health/liveness"): health.liveliness,
            ("GET", "/health/readiness"): health.readiness,
            ("GET", "/metrics"): health.exposition,
            **{where: self._guarded(answer) for where, answer in guarded.items()},
            **{where: self._for_callers(answer) for where, answer in self._of_models().items()},
            **self._of_keys_and_teams(),
        }
        return {where: self._whole(answer) for where, answer in rows.items()}

    def before(self, relay: Aimed) -> Aimed:
        """`/v1/models/{name}`, whatever slashes the name has; all else is the relay's."""
        models = Models(self.deployments, self.listed)

        async def answer(request: web.BaseRequest, aim: Aim) -> web.StreamResponse:
            asked = request.method in _LOOKS and aim.path.startswith(_ONE_MODEL) and aim.path != _ONE_MODEL
            if not asked or aim.anthropic or aim.named is not None:
                return await relay(request, aim)
            name = unquote(aim.path.removeprefix(_ONE_MODEL))
            return await self._whole(self._for_callers(partial(models.one, name=name)))(request)

        return answer

    def _of_models(self) -> dict[tuple[str, str], Called]:
        models = Models(self.deployments, self.listed)
        return {
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

    def _of_keys_and_teams(self) -> dict[tuple[str, str], Answering]:
        issuing = Issuing(
            self.keys, Aliases(self.keys, self.clock), Spent(self.spent), self.master, self.clock, self.log
        )
        keys, teams = Keys(issuing), Teams(issuing)
        guarded: dict[tuple[str, str], Answering] = {
            ("POST", "/key/generate"): keys.generate,
            ("POST", "/key/update"): keys.update,
            ("POST", "/key/delete"): keys.delete,
            ("GET", "/key/list"): keys.list,
            ("POST", "/key/block"): keys.block,
            ("POST", "/key/unblock"): keys.unblock,
            ("POST", "/key/regenerate"): keys.regenerate,
            ("POST", "/team/new"): teams.new,
            ("POST", "/team/update"): teams.update,
            ("GET", "/team/info"): teams.info,
            ("GET", "/team/list"): teams.list,
            ("POST", "/team/delete"): teams.delete,
            ("POST", "/team/block"): teams.block,
            ("POST", "/team/unblock"): teams.unblock,
        }

        async def info(request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
            self._check_kept()
            return await keys.info(request, caller)

        return {
            ("GET", "/key/info"): self._for_callers(info),
            **{where: self._guarded(self._where_kept(answer)) for where, answer in guarded.items()},
        }

    def _whole(self, answer: Answering) -> Answering:
        """The outermost guard: a bug costs one answer, and the log says which."""

        async def whole(request: web.BaseRequest) -> web.StreamResponse:
            try:
                return await answer(request)
            except ConnectionError:
                raise  # the client has gone
            except Exception as bug:
                self.log.exception("request_failed", error=type(bug).__name__)
                return respond.broken()

        return whole

    def _where_kept(self, answer: Answering) -> Answering:
        async def kept(request: web.BaseRequest) -> web.StreamResponse:
            self._check_kept()
            return await answer(request)

        return kept

    def _check_kept(self) -> None:
        """Raises RequestError: 400 where nobody needs a key, 503 where NATS is known to be away."""
        if self.master is None:
            said = "Keys and teams need a master key: set general_settings.master_key or LITELLM_MASTER_KEY."
            raise bad_request(said, code="no_master_key")
        if not self.keys.connected:
            raise away()

    def _guarded(self, answer: Answering) -> Answering:
        """With the master key only; what is refused gets OpenAI's shape."""

        async def guarded(request: web.BaseRequest) -> web.StreamResponse:
            try:
                await self.gate.admin(request.headers, request.path[:100])
                return await answer(request)
            except RequestError as error:
                return respond.refusal(request, error)

        return guarded

    def _for_callers(self, answer: Called) -> Answering:
        """With any key that lets one in."""

        async def called(request: web.BaseRequest) -> web.StreamResponse:
            try:
                return await answer(request, await self.gate.admit(request.headers))
            except RequestError as error:
                return respond.refusal(request, error)

        return called
