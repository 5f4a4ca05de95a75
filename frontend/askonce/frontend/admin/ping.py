"""`/cache/ping`: a probe goes the way of every answer, and the answer tells what is in force. Shapes are LiteLLM's."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson
from aiohttp import web

from askonce.bus.protocols import Publisher
from askonce.calls.table import call_types
from askonce.config.known import LITELLM_CALL_TYPES
from askonce.config.settings import CacheSettings
from askonce.core.entry import JSON, Entry, Lookup
from askonce.core.errors import BusUnavailable, StoreUnavailable
from askonce.core.events import Answered
from askonce.core.key import CacheKey, digest
from askonce.frontend import respond
from askonce.stores.inspection import Inspector
from askonce.stores.memory import MemoryStore
from askonce.stores.protocols import Reader

OFF: Final = "Cache not initialized. litellm.cache is None"  # LiteLLM's words, which its clients may look for
_PROBE_WAIT: Final = 2.0
_STORE_WAIT: Final = 5.0
_PROBE_TTL: Final = 30.0
_UNTOLD: Final = "Unknown"  # the version of a server that is away, or that does not tell this user


class Part(StrEnum):
    """What did not answer."""

    STORE = "store"
    QUEUE = "queue"
    WRITERS = "writers"


class Trouble(NamedTuple):
    """`part` is None where nothing was asked."""

    part: Part | None
    why: str


@dataclass(frozen=True, slots=True)
class Ping:
    """`store` is the store behind the memory tier, or None where memory is all there is; `inspector` is None for a
    store that has none.
    """

    cache: CacheSettings
    memory: MemoryStore
    store: Reader | None
    inspector: Inspector | None
    bus: Publisher
    clock: Callable[[], float]

    async def answer(self, _request: web.BaseRequest) -> web.StreamResponse:
        if not self.cache.enabled:
            return _unhealthy(OFF, Trouble(None, "caching is off in the configuration"), {}, None)
        trouble = await self._trouble()
        away = trouble is not None and trouble.part is Part.STORE
        version = _UNTOLD if away else await self._version()
        params, health = litellm_cache_params(self.cache), self._health_check_cache_params(version)
        if trouble is not None:
            return _unhealthy("Service Unhealthy", trouble, params, health)
        return respond.json_response(
            {
                "status": "healthy",
                "cache_type": self.cache.type,
                "ping_response": True,
                "set_cache_response": "success",
                "litellm_cache_params": params,
                "redis_cache_params": self._redis_cache_params(version),
                "health_check_cache_params": health,
            }
        )

    async def _trouble(self) -> Trouble | None:
        """None when a short-lived probe was written and read."""
        key = CacheKey(self.cache.namespace, digest(b"ping", secrets.token_bytes(16)))
        now = self.clock()
        entry = Entry(Lookup(key), b'"pong"', JSON, now, _PROBE_TTL, "ping", "ping", home=self.cache.namespace)
        if self.store is None:
            self.memory.keep(entry, now, now)
            kept = self.memory.peek(key, now) is not None
            return None if kept else Trouble(Part.STORE, "the memory of this frontend did not keep the probe")
        try:
            async with asyncio.timeout(_STORE_WAIT):
                await self.store.ping()
            await self.bus.publish(Answered(secrets.token_hex(16), now, (entry,)))
            found = await self._appears(self.store, Lookup(key))
        except (StoreUnavailable, TimeoutError) as error:
            said = str(error) or "no answer in time"
            return Trouble(Part.STORE, f"the {self.cache.type} store does not answer ({said})")
        except BusUnavailable:
            return Trouble(Part.QUEUE, "the queue (NATS) does not answer")
        return None if found else Trouble(Part.WRITERS, f"no writer stored the probe within {_PROBE_WAIT:.0f} s")

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

    async def _version(self) -> str:
        if self.inspector is None:
            return _UNTOLD
        try:
            return await self.inspector.version()
        except StoreUnavailable:
            return _UNTOLD

    def _redis_cache_params(self, version: str) -> dict[str, str] | None:
        if self.inspector is None:
            return None
        server = self.inspector.described
        return {
            "redis_client": server.client,
            "redis_kwargs": str(server.arguments),
            "async_redis_conn_pool": server.pool,
            "redis_version": version,
        }

    def _health_check_cache_params(self, version: str) -> dict[str, Any] | None:
        if self.inspector is None:
            return None
        server = self.inspector.described
        return {
            "host": server.host,
            "port": server.port,
            "redis_kwargs": server.arguments,
            "namespace": self.cache.namespace or None,
            "redis_version": version,
        }


def litellm_cache_params(cache: CacheSettings) -> dict[str, str]:
    """All as text, as LiteLLM's page shows them."""
    written = [name for name in LITELLM_CALL_TYPES if call_types([name])[0] & cache.call_types]
    return {
        "supported_call_types": str(written),
        "type": cache.type,
        "namespace": cache.namespace or "None",
        "ttl": str(cache.ttl),
        "mode": "default_off" if cache.opt_in else "default_on",
    }


def _unhealthy(
    message: str, trouble: Trouble, params: dict[str, str], health: dict[str, Any] | None
) -> web.StreamResponse:
    said = {
        "message": message,
        "part": trouble.part,
        "why": trouble.why,
        "litellm_cache_params": params,
        "health_check_cache_params": health,
    }
    return respond.failure(503, orjson.dumps(said).decode(), "cache_ping_error", param="cache_ping", code="503")
