"""`litellm_settings.cache` and `cache_params` as the cache that will run. Knows each store's settings, and no store.

Source: LiteLLM's page "Caching"; where it is silent, docs/decisions/0006, 0020 to 0023, 0049 and 0050.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast, get_args

from askonce.calls.table import CALL_TYPES, call_types
from askonce.config import qdrant, redis, s3, semantic
from askonce.config.known import LITELLM_CALL_TYPES, NOT_BUILT, UNBUILT_STORES, why_cache_param
from askonce.config.section import Section
from askonce.config.settings import CacheSettings, CacheType, DiskSettings, ProxySettings
from askonce.config.values import Wrong, flag, listing, number, one_of, place, text
from askonce.core.key import NAMESPACE

# What an entry lives when nobody says, in seconds: docs/decisions/0006 and 0049
DEFAULT_TTLS: Final[Mapping[CacheType, float | None]] = {
    "local": 600.0,
    "disk": None,
    "redis": 86_400.0,
    "s3": None,
    "qdrant-semantic": 86_400.0,
    "redis-semantic": 86_400.0,
}
_LITELLM_DISK: Final = ".litellm_cache"
_REDIS: Final[tuple[CacheType, ...]] = ("redis", "redis-semantic")

# The setting that wins over `ttl`, and the one of `litellm_settings` that stands below it, where there are such.
_TTLS: Final[Mapping[CacheType, tuple[str, str]]] = {
    "local": ("default_in_memory_ttl", "default_in_memory_ttl"),
    **dict.fromkeys(_REDIS, ("default_in_redis_ttl", "default_redis_ttl")),
}

TYPES_OF: Final[Mapping[str, tuple[CacheType, ...]]] = {
    "disk_cache_dir": ("disk",),
    "default_in_redis_ttl": _REDIS,
    **dict.fromkeys(redis.NAMES, _REDIS),
    **dict.fromkeys(s3.NAMES, ("s3",)),
    **dict.fromkeys(qdrant.NAMES, ("qdrant-semantic",)),
    **dict.fromkeys(semantic.SHARED_NAMES, tuple(semantic.TYPES)),
    **{name: (kind,) for kind, names in semantic.TYPES.items() for name in (names.model, names.index)},
}


def read_cache(litellm: Section, params: Section, proxy: ProxySettings, cwd: Path) -> CacheSettings:
    """The cache that `litellm_settings` asks for, `params` being its `cache_params`; without a `cache` member, a disk
    store in the data directory.
    """
    on = litellm.get("cache", flag)
    if on or (params.values and litellm.notes.is_wrong(litellm.key("cache"))):  # a wrong word hides no other
        return _read_params(litellm, params, proxy, cwd)
    if params.values:
        litellm.notes.ignore(params.path, "has no effect without cache: true")
        params.pass_over()
    if on is None:
        disk = DiskSettings(path=proxy.data_dir / "cache", max_bytes=proxy.disk_bytes)
        return CacheSettings(type="disk", ttl=DEFAULT_TTLS["disk"], call_types=CALL_TYPES, disk=disk)
    return CacheSettings(enabled=False, type="local", call_types=CALL_TYPES)


def why_left(name: str) -> str:
    """The reason for a member of `cache_params` that the type in force has not read."""
    if name in TYPES_OF:
        types = TYPES_OF[name]
        return f"only for type{'s' if len(types) > 1 else ''} {' and '.join(types)}"
    return why_cache_param(name)


def _read_params(litellm: Section, params: Section, proxy: ProxySettings, cwd: Path) -> CacheSettings:
    kind = _read_type(params)
    disk = None
    if kind == "disk":
        path = place(params.get("disk_cache_dir", text) or _LITELLM_DISK, cwd, params.variables)
        disk = DiskSettings(path=path, max_bytes=proxy.disk_bytes)
    matches = kind in semantic.TYPES
    return CacheSettings(
        type=kind,
        ttl=_read_ttl(kind, litellm, params),
        memory_ttl=None if kind == "local" else params.get("default_in_memory_ttl", number),
        namespace=params.get("namespace", _namespace) or "",
        call_types=_read_call_types(params),
        opt_in=params.get("mode", one_of("default_on", "default_off")) == "default_off",
        disk=disk,
        redis=redis.read_redis(params, cwd, search=matches) if kind in _REDIS else None,
        s3=s3.read_s3(params, cwd) if kind == "s3" else None,
        qdrant=qdrant.read_qdrant(params) if kind == "qdrant-semantic" else None,
        semantic=semantic.read_semantic(kind, params, cwd) if matches else None,
    )


def _read_type(params: Section) -> CacheType:
    """LiteLLM's rule: redis where there are no `cache_params` at all, local where they name no type."""
    if not params.values:
        return "redis"
    kind = params.get("type", one_of(*get_args(CacheType), *UNBUILT_STORES))
    if kind is None:
        return "local"
    if kind in UNBUILT_STORES:
        params.notes.ignore(params.key("type"), f"{kind} is {NOT_BUILT}; answers are kept in memory only")
        return "local"
    return cast("CacheType", kind)


def _read_ttl(kind: CacheType, litellm: Section, params: Section) -> float | None:
    above, below = _TTLS.get(kind, (None, None))
    found = [
        None if above is None else params.get(above, number),
        params.get("ttl", number),
        None if below is None else litellm.get(below, number),
    ]
    given = next((ttl for ttl in found if ttl is not None), None)
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
