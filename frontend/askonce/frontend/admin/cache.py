"""What operators do to the cache: delete, flush, look at its server."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from askonce.bus.protocols import Publisher
from askonce.config.settings import CacheSettings
from askonce.core.errors import BusUnavailable, RequestError, StoreUnavailable, bad_request
from askonce.core.events import Deleted, Flushed
from askonce.core.key import CacheKey
from askonce.frontend import respond
from askonce.frontend.admin.ping import OFF
from askonce.frontend.ask import read_body, read_json
from askonce.stores.inspection import Inspector
from askonce.stores.memory import MemoryStore

_WITHIN: Final = 5.0  # seconds for the queue and the store to confirm
_MOST_KEYS: Final = 1000
_NOT_TOLD: Final = "CLIENT LIST is not permitted to the user of this proxy"


@dataclass(frozen=True, slots=True)
class Cache:
    """`shared` says that there is a store behind the memory tier; `inspector` is None for a store that has none."""

    cache: CacheSettings
    memory: MemoryStore
    shared: bool
    inspector: Inspector | None
    bus: Publisher
    clock: Callable[[], float]

    async def delete(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers once the store has done it. Unknown keys, and words that are no keys, are no error."""
        self._check_on("cache_delete_error")
        keys = _read_keys(read_json(await read_body(request)), self.cache.namespace)
        at = self.clock()
        if keys:
            self.memory.forget(keys, at)
            self.bus.tell(Deleted(keys, at))
            try:
                await self.bus.delete(keys, at, within=_WITHIN, confirm=self.shared)
            except BusUnavailable:
                raise RequestError(
                    503, "The deletion was not confirmed by the store; send it again.", "cache_delete_error"
                ) from None
        return respond.json_response({"status": "success"})

    async def flush(self, _request: web.BaseRequest) -> web.StreamResponse:
        """Answers once no frontend serves what there was. Of Redis and the others, what other namespaces have stays."""
        self._check_on("cache_flush_error")
        at = self.clock()
        self.memory.flush(Flushed(self.cache.namespace, at))
        try:
            await self.bus.flush(self.cache.namespace, at, within=_WITHIN)
        except BusUnavailable:
            raise RequestError(503, "The flush was not confirmed; send it again.", "cache_flush_error") from None
        return respond.json_response({"status": "success"})

    def _check_on(self, kind: str) -> None:
        """Raises RequestError (503): where caching is off nothing can be removed, and nobody says that it was."""
        if not self.cache.enabled:
            raise RequestError(503, _service_unhealthy(f"503: {OFF}"), kind)

    async def server(self, _request: web.BaseRequest) -> web.StreamResponse:
        """What Redis tells of itself. What goes wrong has LiteLLM's shape: who watches it reads `detail`."""
        if not self.cache.enabled:
            return _detail(f"503: {OFF}")
        if self.inspector is None:
            return _detail(f"500: Cache type {self.cache.type} has no Redis to ask")
        try:
            told = await self.inspector.told()
        except StoreUnavailable as error:
            return _detail(f"503: {error}")
        clients: list[Any] = [_NOT_TOLD] if told.clients is None else told.clients
        count = -1 if told.clients is None else len(told.clients)
        return respond.json_response({"num_clients": count, "clients": clients, "info": told.info})


def _detail(why: str) -> web.Response:
    return respond.json_response({"detail": _service_unhealthy(why)}, 503)


def _service_unhealthy(why: str) -> str:
    return f"Service Unhealthy ({why})"


def _read_keys(body: dict[str, Any], namespace: str) -> tuple[CacheKey, ...]:
    """A key may be written with or without the configured namespace, as LiteLLM takes it."""
    written = body.get("keys")
    if not isinstance(written, list) or not all(isinstance(one, str) for one in written):
        raise bad_request('keys must be a list of strings, such as {"keys": ["586b…"]}', "keys")
    if len(written) > _MOST_KEYS:
        raise bad_request(f"at most {_MOST_KEYS} keys can be deleted at once", "keys")
    inside = [one if not namespace or one.startswith(f"{namespace}:") else f"{namespace}:{one}" for one in written]
    return tuple(key for key in map(CacheKey.parse, dict.fromkeys(inside)) if key is not None)
