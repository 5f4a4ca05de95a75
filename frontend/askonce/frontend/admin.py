"""The routes for operators: health, models, the cache's own. JSON shapes are LiteLLM's where LiteLLM has them."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from askonce.bus.protocols import Publisher
from askonce.config.settings import Settings
from askonce.core.entry import JSON, Entry, Lookup
from askonce.core.errors import BusUnavailable, RequestError, StoreUnavailable, bad_request
from askonce.core.events import Answered, Deleted
from askonce.core.key import CacheKey, digest
from askonce.frontend import respond
from askonce.frontend.ask import read_body, read_json
from askonce.frontend.auth import Gate
from askonce.frontend.deployments import Deployments
from askonce.frontend.routes import Answering
from askonce.stores.memory import MemoryStore
from askonce.stores.protocols import Reader
from askonce.telemetry.metrics import CONTENT_TYPE, Metrics

_PROBE_WAIT = 2.0
_DELETE_WAIT = 5.0
_MOST_KEYS = 1000
_CREATED = 1677610602  # LiteLLM's constant in /v1/models: a model_list says no date


@dataclass(frozen=True, slots=True)
class Admin:
    """`store` is the store behind the memory tier, or None where memory is all there is."""

    settings: Settings
    gate: Gate
    deployments: Deployments
    memory: MemoryStore
    store: Reader | None
    bus: Publisher
    metrics: Metrics
    clock: Callable[[], float]
    draining: asyncio.Event

    def routes(self) -> dict[tuple[str, str], Answering]:
        """By method and path."""
        return {
            ("GET", "/health/liveliness"): self.liveliness,
            ("GET", "/health/liveness"): self.liveliness,
            ("GET", "/health/readiness"): self.readiness,
            ("GET", "/metrics"): self.exposition,
            ("GET", "/v1/models"): self._guarded(self.models),
            ("GET", "/models"): self._guarded(self.models),
            ("GET", "/cache/ping"): self._guarded(self.ping),
            ("POST", "/cache/delete"): self._guarded(self.delete),
        }

    def _guarded(self, answer: Answering) -> Answering:
        """With the master key only; what is refused gets OpenAI's shape."""

        async def guarded(request: web.BaseRequest) -> web.StreamResponse:
            try:
                self.gate.admit(request.headers)
                return await answer(request)
            except RequestError as error:
                return respond.refusal(request, error)

        return guarded

    async def liveliness(self, _request: web.BaseRequest) -> web.StreamResponse:
        if self.draining.is_set():
            return respond.json_response({"status": "shutting_down"}, 503)
        return respond.json_response("I'm alive!")

    async def readiness(self, _request: web.BaseRequest) -> web.StreamResponse:
        """Ready means: able to answer. A store or a queue that is away costs misses, so it is told and no more."""
        if self.draining.is_set():
            return respond.json_response({"status": "shutting_down"}, 503)
        cache = self.settings.cache.type if self.settings.cache.enabled else None
        bus = "connected" if self.bus.connected else "disconnected"
        return respond.json_response({"status": "healthy", "db": "Not connected", "cache": cache, "queue": bus})

    async def exposition(self, _request: web.BaseRequest) -> web.StreamResponse:
        rendered = await asyncio.to_thread(self.metrics.render)
        return web.Response(body=rendered, headers={"Content-Type": CONTENT_TYPE})

    async def models(self, _request: web.BaseRequest) -> web.StreamResponse:
        data = [
            {"id": name, "object": "model", "created": _CREATED, "owned_by": "openai"}
            for name in self.deployments.names
        ]
        return respond.json_response({"data": data, "object": "list"})

    async def ping(self, _request: web.BaseRequest) -> web.StreamResponse:
        """Sends a short-lived probe the way of every answer, and waits until a read of the store finds it."""
        if not self.settings.cache.enabled:
            return self._unhealthy("Cache not initialized: caching is off in the configuration")
        key = CacheKey(self.settings.cache.namespace, digest(b"ping", secrets.token_bytes(16)))
        now = self.clock()
        entry = Entry(Lookup(key), b'"pong"', JSON, now, 30.0, "ping", "ping")
        try:
            if self.store is None:
                self.memory.keep(entry, now, now)
                found = self.memory.peek(key, now) is not None
            else:
                await self.store.ping()
                await self.bus.publish(Answered(secrets.token_hex(16), now, (entry,)))
                found = await self._appears(self.store, Lookup(key))
        except StoreUnavailable as error:
            return self._unhealthy(f"Service Unhealthy: the {self.settings.cache.type} store does not answer ({error})")
        except BusUnavailable:
            return self._unhealthy("Service Unhealthy: the queue (NATS) does not answer")
        if not found:
            return self._unhealthy(f"Service Unhealthy: no writer stored the probe within {_PROBE_WAIT:.0f} s")
        return respond.json_response(
            {
                "status": "healthy",
                "cache_type": self.settings.cache.type,
                "ping_response": True,
                "set_cache_response": "success",
                "litellm_cache_params": self._params(),
            }
        )

    async def _appears(self, store: Reader, lookup: Lookup) -> bool:
        """Whether it does in time. Raises StoreUnavailable when the last read failed: one of many may be late."""
        wait = 0.005
        failed: StoreUnavailable | None = None
        try:
            async with asyncio.timeout(_PROBE_WAIT):
                while True:
                    try:
                        if (await store.get([lookup]))[0] is not None:
                            return True
                        failed = None
                    except StoreUnavailable as error:
                        failed = error
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, 0.1)
        except TimeoutError:
            if failed is not None:
                raise failed from None
            return False

    def _params(self) -> dict[str, str]:
        cache = self.settings.cache
        return {
            "supported_call_types": str(sorted(cache.call_types)),
            "type": cache.type,
            "namespace": cache.namespace or "None",
            "ttl": str(cache.ttl),
            "mode": "default_off" if cache.opt_in else "default_on",
        }

    def _unhealthy(self, message: str) -> web.StreamResponse:
        return respond.failure(503, message, "cache_ping_error", param="cache_ping", code="503")

    async def delete(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers once the store has done it. Unknown keys, and words that are no keys, are no error."""
        keys = _read_keys(read_json(await read_body(request)), self.settings.cache.namespace)
        at = self.clock()
        if keys:
            self.memory.forget(keys, at)
            self.bus.tell(Deleted(keys, at))
            try:
                await self.bus.delete(keys, at, within=_DELETE_WAIT, confirm=self.store is not None)
            except BusUnavailable:
                raise RequestError(
                    503, "The deletion was not confirmed by the store; send it again.", "cache_delete_error"
                ) from None
        return respond.json_response({"status": "success"})


def _read_keys(body: dict[str, Any], namespace: str) -> tuple[CacheKey, ...]:
    """A key may be written with or without the configured namespace, as LiteLLM takes it."""
    written = body.get("keys")
    if not isinstance(written, list) or not all(isinstance(one, str) for one in written):
        raise bad_request('keys must be a list of strings, such as {"keys": ["586b…"]}', "keys")
    if len(written) > _MOST_KEYS:
        raise bad_request(f"at most {_MOST_KEYS} keys can be deleted at once", "keys")
    inside = [one if not namespace or one.startswith(f"{namespace}:") else f"{namespace}:{one}" for one in written]
    return tuple(key for key in map(CacheKey.parse, dict.fromkeys(inside)) if key is not None)
