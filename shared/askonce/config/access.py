"""Virtual keys and limits: for how long a key is known, and where limits are counted. Knows no key and no limit.

Source: LiteLLM's pages on virtual keys and on the proxy's config.yaml; for the order of the servers,
`proxy_server.py` (`_init_coordination_redis`) of LiteLLM 1.109.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from askonce.config.known import CACHE_PARAMS, NOT_KNOWN
from askonce.config.notes import Notes
from askonce.config.redis import SETTINGS, read_redis
from askonce.config.section import Section
from askonce.config.settings import AccessSettings, CacheSettings, RedisSettings
from askonce.config.values import Unset, above_zero, mapping, number, resolve

# What the router calls its server's parts, by what `cache_params` calls them.
_ROUTERS: Final = {name: f"redis_{name}" for name in ("url", "host", "port", "password", "db")}
_MORE: Final = "cache_kwargs"
_OWN: Final = "coordination_redis"
_TARGETS: Final = ("cluster_nodes", "url", "sentinel_nodes", "host")
_NOWHERE: Final = "has no effect without redis_host or redis_url"
_GUESSED: Final = "limits are counted in each process: it"


@dataclass
class _Gathered(Section):
    """Members that stand in several places of the file: `places` has the dotted path of each."""

    places: dict[str, str] = field(default_factory=dict)

    def key(self, name: str) -> str:
        return self.places.get(name) or super().key(name)


def read_access(general: Section, router: Section, cache: CacheSettings, cwd: Path) -> AccessSettings:
    ttl = general.get("user_api_key_cache_ttl", number)
    return AccessSettings(
        **({} if ttl is None else {"key_ttl": ttl}),
        max_parallel_requests=general.get("global_max_parallel_requests", above_zero),
        redis=_redis(general, router, cache, cwd),
    )


def _redis(general: Section, router: Section, cache: CacheSettings, cwd: Path) -> RedisSettings | None:
    """The first that is said: the router's, one for limits alone, the cache's, that of the environment."""
    routers, own = _of_router(router), general.section(_OWN)
    if routers.values:
        if own.values:
            general.notes.ignore(own.path, f"has no effect beside {router.path}.redis_*")
        return _told(routers, cwd)
    if own.values:
        return _told(own, cwd)
    if cache.enabled and cache.type in ("redis", "redis-semantic"):
        return cache.redis
    return _guessed(general, cwd)


def _of_router(router: Section) -> Section:
    """What the router says of a server, with what `cache_kwargs` say above it."""
    found: dict[str, Any] = {}
    places: dict[str, str] = {}
    for name, written in _ROUTERS.items():
        value = router.as_written(written, lambda value: value)
        if value is not None:
            found[name], places[name] = value, router.key(written)
    for name, value in (router.as_written(_MORE, mapping) or {}).items():
        found[name], places[name] = value, f"{router.key(_MORE)}.{name}"
    if not _says_where(found, router):
        for name, value in found.items():
            router.notes.ignore(places[name], _unset(value, router) or _NOWHERE)
        found.clear()
    return _Gathered(router.path, found, router.variables, router.notes, places=places)


def _says_where(found: dict[str, Any], router: Section) -> bool:
    """A reference to nothing does not, as in LiteLLM."""
    return any(
        found.get(key) not in (None, "") and _unset(found[key], router) is None
        for target in _TARGETS
        for key in SETTINGS[target].keys
    )


def _unset(value: Any, router: Section) -> str | None:
    try:
        resolve(value, router.variables)
    except Unset as unset:
        return str(unset)
    return None


def _told(params: Section, cwd: Path) -> RedisSettings | None:
    """What a section says, over variables. Those may be the cache's too: what becomes of them is not told here."""
    notes = Notes(params.notes.source)
    params.notes, told = notes, params.notes
    found = read_redis(params, cwd)
    params.ignore_left(lambda name: CACHE_PARAMS.get(name, NOT_KNOWN))
    told.take(notes, but=params.variables)
    return found


def _guessed(general: Section, cwd: Path) -> RedisSettings | None:
    """Nobody has said that it is meant for limits, so that what is wrong with it stops nothing."""
    variables = general.variables
    if not any(name in variables for target in _TARGETS for name in SETTINGS[target].variables):
        return None
    notes = Notes(general.notes.source)
    found = read_redis(Section("", {}, variables, notes), cwd)
    for error in notes.errors:
        general.notes.ignore(error.key, f"{_GUESSED} {error.expected}")
    return None if notes.errors else found
