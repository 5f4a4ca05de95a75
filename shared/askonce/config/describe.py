"""The settings in force, told to people. Secrets are told as set or not set, and addresses without credentials."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from askonce.config.settings import CacheSettings, Deployment, RedisSettings, Settings

Line = tuple[str, str]


def describe(settings: Settings) -> list[Line]:
    """Label and text, one pair for each line to print. What has no effect comes last, labelled `ignored`."""
    return [
        ("config", settings.source),
        ("master key", _secret(settings.master_key)),
        *((f"model {deployment.pattern}", _deployment(deployment)) for deployment in settings.deployments),
        *_cache(settings.cache),
        *((f"askonce.{name}", _plain(value)) for name, value in settings.proxy),
        *(("ignored", text) for text in settings.ignored),
    ]


def without_credentials(url: str) -> str:
    """Scheme, host, port and path of an address: a user, a password or a query may be secret."""
    scheme, _, rest = url.partition("://")
    # A password may hold "/", "#" or "?" unescaped: whatever stands before the last "@" is left out.
    parts = urlsplit(f"//{rest.rpartition('@')[2]}")
    return f"{scheme}://{parts.netloc}{parts.path}"


def _deployment(deployment: Deployment) -> str:
    name = f"{deployment.provider}/{deployment.model}"
    if deployment.unsupported is not None:
        return f"{name}: not served: {deployment.unsupported}"
    words = [f"{name} at {without_credentials(deployment.api_base)}"]
    words.append("the client's own key" if deployment.api_key is None else "its own key")
    if deployment.defaults:
        words.append(f"defaults for {', '.join(deployment.defaults)}")
    if deployment.extra_headers:
        words.append(f"headers {', '.join(deployment.extra_headers)}")
    return ", ".join(words)


def _cache(cache: CacheSettings) -> Iterator[Line]:
    if not cache.enabled:
        yield "cache", "off"
        return
    yield "cache", cache.type
    if cache.disk is not None:
        yield "cache path", f"{cache.disk.path}, up to {cache.disk.max_bytes} bytes"
    if cache.redis is not None:
        yield "cache server", _redis(cache.redis)
    yield "cache ttl", "without end" if cache.ttl is None else f"{cache.ttl:g} s"
    if cache.memory_ttl is not None:
        yield "cache ttl in memory", f"{cache.memory_ttl:g} s"
    yield "cache namespace", cache.namespace or "none"
    yield "cache mode", "default_off" if cache.opt_in else "default_on"
    yield "cache call types", ", ".join(sorted(cache.call_types)) or "none"


def _redis(redis: RedisSettings) -> str:
    if redis.url is not None:
        words = [without_credentials(redis.url.get_secret_value())]
    else:
        words = [f"{redis.host}:{redis.port}, database {redis.db}", f"password {_secret(redis.password)}"]
    if redis.ssl:
        words.append("TLS")
    if redis.arguments:
        words.append(f"with {', '.join(redis.arguments)}")
    return ", ".join(words)


def _secret(value: SecretStr | None) -> str:
    return "not set" if value is None else "set"


def _plain(value: Any) -> str:
    if isinstance(value, SecretStr):
        return _secret(value)
    return "not set" if value is None else str(value)
