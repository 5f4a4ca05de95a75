"""Whether this process runs, whether it takes requests, and whether the providers of its models answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from askonce.bus.protocols import Publisher
from askonce.config.settings import CacheSettings, Deployment
from askonce.frontend import respond
from askonce.frontend.admin.listed import Listed, litellm_params
from askonce.frontend.reach import question, reach
from askonce.frontend.upstream import Upstream
from askonce.telemetry.metrics import CONTENT_TYPE, Metrics

_AT_ONCE: Final = 16  # providers that are asked, however many want to know


@dataclass(frozen=True, slots=True)
class Health:
    """Of this process. Its answers need no key. `leaving` is set before `draining` is, where there is a delay."""

    cache: CacheSettings
    bus: Publisher
    metrics: Metrics
    leaving: asyncio.Event
    draining: asyncio.Event

    async def liveliness(self, _request: web.BaseRequest) -> web.StreamResponse:
        if self.draining.is_set():
            return respond.json_response({"status": "shutting_down"}, 503)
        return respond.json_response("I'm alive!")

    async def readiness(self, _request: web.BaseRequest) -> web.StreamResponse:
        """Ready means: able to answer, and for a while yet. A store or a queue that is away costs misses, so it is told
        and no more.
        """
        if self.leaving.is_set() or self.draining.is_set():
            return respond.json_response({"status": "shutting_down"}, 503)
        cache = self.cache.type if self.cache.enabled else None
        bus = "connected" if self.bus.connected else "disconnected"
        return respond.json_response({"status": "healthy", "db": "Not connected", "cache": cache, "queue": bus})

    async def exposition(self, _request: web.BaseRequest) -> web.StreamResponse:
        rendered = await asyncio.to_thread(self.metrics.render)
        return web.Response(body=rendered, headers={"Content-Type": CONTENT_TYPE})


@dataclass(frozen=True, slots=True)
class Providers:
    """The models of `model_list`, and whether who serves them can be reached: see `reach`. No model is asked, so that
    a look costs nothing.
    """

    listed: Listed
    upstream: Upstream
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """`?model=` restricts it to who answers to that name, or to a model as LiteLLM writes it; 503 when none of
        those does. Raises RequestError (404) when there are none.
        """
        name = request.query.get("model")
        chosen = self.listed.entries if name is None else self.listed.called(name)
        well: list[dict[str, Any]] = []
        ill: list[dict[str, Any]] = []
        for deployment, why in zip(chosen, await self.faults(chosen), strict=True):
            shown = {"model_name": deployment.pattern, **litellm_params(deployment)}
            if why is None:
                well.append(shown)
            else:
                ill.append({**shown, "error": why})
        told = {
            "healthy_endpoints": well,
            "unhealthy_endpoints": ill,
            "healthy_count": len(well),
            "unhealthy_count": len(ill),
        }
        return respond.json_response(told, 200 if name is None or well else 503)

    async def faults(self, deployments: Sequence[Deployment]) -> list[str | None]:
        """What `reach` says of each of them; those with the same address and key are asked once."""
        questions = {question(one): one for one in deployments if one.unsupported is None}
        answers = await asyncio.gather(*map(self._ask, questions.values()))
        found = dict(zip(questions, answers, strict=True))
        return [found[question(one)] if one.unsupported is None else one.unsupported for one in deployments]

    async def _ask(self, deployment: Deployment) -> str | None:
        async with self._room:
            return await reach(self.upstream, deployment)
