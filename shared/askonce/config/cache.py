"""`litellm_settings.cache` and `cache_params` as the cache that will run. Knows each store's settings, and no store.

Source: LiteLLM's page "Caching"; where it is silent, docs/decisions/0020 to 0022.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from askonce.calls.table import CALL_TYPES, call_types
from askonce.config.known import LITELLM_CALL_TYPES, NOT_BUILT, UNBUILT_STORES, why_cache_param
from askonce.config.redis import NAMES as REDIS_NAMES
from askonce.config.redis import read_redis
from askonce.config.section import Section
from askonce.config.settings import CacheSettings, CacheType, DiskSettings, ProxySettings
from askonce.config.values import Wrong, flag, listing, number, one_of, place, text
from askonce.core.key import NAMESPACE

# What an entry lives when nobody says, in seconds: docs/decisions/0006
DEFAULT_TTLS: Final[Mapping[CacheType, float | None]] = {"local": 600.0, "redis": 86_400.0, "disk": None}
_LITELLM_DISK: Final = ".litellm_cache"

# Which settings say what a new entry lives, strongest first. `litellm_settings` has one fallback per tier.
_TTLS: Final[Mapping[CacheType, tuple[str, ...]]] = {
    "local": ("default_in_memory_ttl", "ttl"),
    "redis": ("default_in_redis_ttl", "ttl"),
    "disk": ("ttl",),
}
_TTL_FALLBACKS: Final[Mapping[CacheType, str]] = {"local": "default_in_memory_ttl", "redis": "default_redis_ttl"}

_ONLY_FOR: Final = {
    "disk_cache_dir": "only for type disk",
    "default_in_redis_ttl": "only for type redis",
} | dict.fromkeys(REDIS_NAMES, "only for type redis")


def read_cache(litellm: Section, proxy: ProxySettings, cwd: Path) -> CacheSettings:
    """The cache that `litellm_settings` asks for; without a `cache` member, a disk store in the data directory."""
    on = litellm.get("cache", flag)
    params = litellm.section("cache_params")
    if on:
        return _read_params(litellm, params, proxy, cwd)
    if params.values:
        litellm.notes.ignore(params.path, "has no effect without cache: true")
    if on is None:
        disk = DiskSettings(path=proxy.data_dir / "cache", max_bytes=proxy.disk_bytes)
        return CacheSettings(type="disk", ttl=DEFAULT_TTLS["disk"], call_types=CALL_TYPES, disk=disk)
    return CacheSettings(enabled=False, type="local", call_types=CALL_TYPES)


def _read_params(litellm: Section, params: Section, proxy: ProxySettings, cwd: Path) -> CacheSettings:
    kind = _read_type(params)
    redis = read_redis(params) if kind == "redis" else None
    if kind == "redis" and redis is None:
        kind = "local"
    disk = None
    if kind == "disk":
        path = place(params.get("disk_cache_dir", text) or _LITELLM_DISK, cwd, params.variables)
        disk = DiskSettings(path=path, max_bytes=proxy.disk_bytes)
    settings = CacheSettings(
        type=kind,
        ttl=_read_ttl(kind, litellm, params),
        memory_ttl=None if kind == "local" else params.get("default_in_memory_ttl", number),
        namespace=params.get("namespace", _namespace) or "",
        call_types=_read_call_types(params),
        opt_in=params.get("mode", one_of("default_on", "default_off")) == "default_off",
        disk=disk,
        redis=redis,
    )
    params.ignore_left(lambda name: _ONLY_FOR.get(name) or why_cache_param(name))
    return settings


def _read_type(params: Section) -> CacheType:
    """LiteLLM's rule: redis where there are no `cache_params` at all, local where they name no type."""
    if not params.values:
        return "redis"
    match params.get("type", one_of("local", "disk", "redis", *UNBUILT_STORES)):
        case "disk":
            return "disk"
        case "redis":
            return "redis"
        case None | "local":
            return "local"
        case other:
            params.notes.ignore(params.key("type"), f"{other} is {NOT_BUILT}; answers are kept in memory only")
            return "local"


def _read_ttl(kind: CacheType, litellm: Section, params: Section) -> float | None:
    found = [params.get(name, number) for name in _TTLS[kind]]
    fallback = litellm.get(_TTL_FALLBACKS[kind], number) if kind in _TTL_FALLBACKS else None
    given = next((ttl for ttl in (*found, fallback) if ttl is not None), None)
    if given is None and "ttl" not in params:  # `ttl: null` asks for entries without an end
        return DEFAULT_TTLS[kind]
    return given


def _read_call_types(params: Section) -> frozenset[str]:
    """All of them where the file is silent; none for an empty list and for a null, as in LiteLLM."""
    if "supported_call_types" not in params:
        return CALL_TYPES
    names = params.get("supported_call_types", listing) or []
    served, others = call_types([name for name in names if isinstance(name, str)])
    key = params.key("supported_call_types")
    for at, name in enumerate(names):
        if not isinstance(name, str) or (name in others and name not in LITELLM_CALL_TYPES):
            params.notes.wrong(f"{key}[{at}]", f"must be one of {', '.join(LITELLM_CALL_TYPES)}")
        elif name in others:
            params.notes.ignore(f"{key}.{name}", NOT_BUILT)
    return served


def _namespace(value: Any) -> str:
    if not isinstance(value, str) or not NAMESPACE.fullmatch(value):
        raise Wrong("must be 1 to 128 characters of A-Z a-z 0-9 . _ : -")
    return value
