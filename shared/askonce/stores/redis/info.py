"""What Redis tells of itself, and how it is reached, for operators. Knows commands, and no entry and no key."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, cast
from urllib.parse import urlsplit

from redis import exceptions as errors
from redis.asyncio import Redis

from askonce.config.describe import without_credentials
from askonce.config.settings import Node, RedisSettings
from askonce.core.errors import StoreUnavailable
from askonce.stores.inspection import Described, Told
from askonce.stores.redis.client import connect, connect_nodes, translated

_SECONDS: Final = 2.0  # to connect, and for one answer
_WITHIN: Final = 5.0
_STARS: Final = "******"
_PORT: Final = 6379
_VERSION: Final = re.compile(r"^redis_version:(\S+)", re.MULTILINE)
_WORD_BITS: Final = 63  # JSON's readers take no larger numbers


class RedisInspector:
    """A connection of its own, made when it is first asked. Of a cluster every master is asked, on connections that are
    closed again: `told` has their INFO by address then, and the clients of all. Each verb ends within `within` seconds,
    however patient the settings are.
    """

    def __init__(self, settings: RedisSettings, within: float = _WITHIN) -> None:
        """Raises ConfigError."""
        self._within = within
        self._seeds = settings.cluster_nodes
        self._client = None if self._seeds else _ready(connect(settings, _SECONDS))
        self._reach = connect_nodes(settings, _SECONDS) if self._seeds else None
        self._described = describe(settings)

    @property
    def described(self) -> Described:
        return self._described

    async def version(self) -> str:
        """Those of a cluster's masters, where they differ."""
        async with self._servers() as servers:
            infos = await _all(client.info("server") for client in servers.values())
        return ", ".join(dict.fromkeys(str(info["redis_version"]) for info in infos))

    async def told(self) -> Told:
        async with self._servers() as servers:
            infos = await _all(client.info() for client in servers.values())
            clients = await _clients(list(servers.values()))
        return Told(clients, infos[0] if self._reach is None else dict(zip(servers, infos, strict=True)))

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    @asynccontextmanager
    async def _servers(self) -> AsyncIterator[dict[str, Redis]]:
        """By address, for as long as the block lasts; what is raised in it is translated."""
        try:
            async with asyncio.timeout(self._within), AsyncExitStack() as opened:
                with translated():
                    if self._client is not None:
                        yield {"": self._client}
                    elif self._reach is not None:
                        yield await _masters(self._seeds, self._reach, opened)
        except TimeoutError:
            raise StoreUnavailable("redis: no answer in time") from None


async def _masters(seeds: Sequence[Node], reach: Callable[[Node], Redis], opened: AsyncExitStack) -> dict[str, Redis]:
    """The nodes that have keys, as the first seed that answers names them. Raises what the last one failed with."""
    failure: Exception = errors.ClusterDownError("")
    for seed in seeds:
        client = reach(seed)
        opened.push_async_callback(client.aclose)
        try:
            ranges: Any = await client.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
        except (errors.RedisError, OSError) as error:
            failure = error
            continue
        places = sorted({(_text(master[0]) or seed.host, int(master[1])) for _, _, master, *_ in ranges})
        found = {f"{host}:{port}": _ready(reach(Node(host=host, port=port))) for host, port in places}
        for master in found.values():
            opened.push_async_callback(master.aclose)
        if found:
            return found
    raise failure


async def _clients(servers: Sequence[Redis]) -> list[dict[str, Any]] | None:
    try:
        lists = await _all(client.client_list() for client in servers)
    except errors.ResponseError:  # the user may not, or there is no such command
        return None
    return [client for clients in lists for client in clients]


async def _all(asked: Iterable[Any]) -> list[Any]:
    """All answers, once all have come. Raises the first failure among them."""
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


def _ready(client: Redis) -> Redis:
    read = cast("Callable[..., dict[str, Any]]", client.response_callbacks["INFO"])
    client.set_response_callback("INFO", as_said(read))
    return client


def as_said(read: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A reader of INFO by redis-py's own, which takes the version 7.10 for a number, and so for 7.1."""

    def info(response: Any, **options: Any) -> dict[str, Any]:
        found = {name: _number(value) for name, value in read(response, **options).items()}
        version = _VERSION.search(_text(response))
        return found if version is None else {**found, "redis_version": version[1]}

    return info


def _number(value: Any) -> Any:
    """An id of digits alone is no number."""
    return str(value) if isinstance(value, int) and value.bit_length() > _WORD_BITS else value


def _text(written: Any) -> str:
    return written.decode(errors="replace") if isinstance(written, bytes) else str(written or "")


def describe(settings: RedisSettings) -> Described:
    """Without asking anybody, and without anything that may be secret: of redis-py's arguments, numbers and switches
    are told, and of a text that it is set. `settings` are some that `connect` takes.
    """
    kind = "SSLConnection" if settings.ssl else "Connection"
    rest = _rest(settings)
    if settings.cluster_nodes:
        nodes = [{"host": node.host, "port": node.port} for node in settings.cluster_nodes]
        seeds = ",".join(f"{node.host}:{node.port}" for node in settings.cluster_nodes)
        pool = f"BlockingConnectionPool<{kind}>"
        return Described(f"RedisCluster<{seeds},{pool}>", pool, {"startup_nodes": nodes, **rest}, None, None)
    if settings.url is not None:
        return _by_url(settings.url.get_secret_value(), kind, rest)
    if settings.sentinel_nodes:
        nodes_there = [[node.host, node.port] for node in settings.sentinel_nodes]
        named = {"sentinel_nodes": nodes_there, "service_name": settings.service_name, "db": settings.db}
        pool = f"SentinelConnectionPool<service={settings.service_name},{kind}<db={settings.db}>>"
        return Described(f"Redis<{pool}>", pool, {**named, **rest}, None, None)
    host = "localhost" if settings.host is None else settings.host
    place = {"host": host, "port": settings.port, "db": settings.db}
    return _one(kind, place, {**place, **rest})


def _by_url(url: str, kind: str, rest: dict[str, Any]) -> Described:
    shown = without_credentials(url)
    parts = urlsplit(shown)
    arguments = {"url": shown.replace("://", f"://{_STARS}@", 1) if "@" in url else shown, **rest}
    if parts.scheme == "unix":
        return _one("UnixDomainSocketConnection", {"path": parts.path}, arguments)
    number = parts.path.strip("/")
    place = {"host": parts.hostname, "port": parts.port or _PORT, "db": int(number) if number.isdecimal() else 0}
    return _one(kind, place if parts.hostname else {}, arguments)


def _one(kind: str, place: dict[str, Any], arguments: dict[str, Any]) -> Described:
    where = ",".join(f"{name}={value}" for name, value in place.items())
    pool = f"BlockingConnectionPool<{kind}<{where}>>"
    return Described(f"Redis<{pool}>", pool, arguments, place.get("host"), place.get("port"))


def _rest(settings: RedisSettings) -> dict[str, Any]:
    secrets = {
        "username": settings.username,
        "password": settings.password,
        "sentinel_password": settings.sentinel_password,
    }
    plain = {
        "ssl": settings.ssl or None,
        "max_connections": settings.max_connections,
        "credential_provider": None if settings.iam is None else type(settings.iam).__name__,
    }
    return {
        **{name: _STARS for name, value in secrets.items() if value is not None},
        **{name: value for name, value in plain.items() if value is not None},
        **{name: value if isinstance(value, int | float) else _STARS for name, value in settings.arguments.items()},
    }
