"""How Redis or Valkey is reached, and what its errors mean here. Knows redis-py and no entry.

One server, the master that sentinels name, or a node of a cluster: each is redis-py's `Redis`, whose pool makes the
askers of too many connections wait for one, where redis-py's default raises. What a cluster's nodes have is the
business of `cluster`.
"""

import re
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any, Final, cast

from redis import exceptions as errors
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, SSLConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, RedisSSLContext
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from askonce.config.settings import Node, RedisSettings
from askonce.core.errors import ConfigError, StoreError, StoreRefused, StoreUnavailable
from askonce.stores.redis.iam import NoToken, provider

_CONNECTIONS: Final = 16

# First match counts. Never the server's own text: for a command of a pipeline, redis-py puts the value in it.
_WORDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (errors.AuthenticationError, "it does not accept the user name or password"),
    (errors.AuthenticationWrongNumberOfArgsError, "it does not accept the user name or password"),
    (errors.NoPermissionError, "the user may not run this command or use these keys"),
    (errors.BusyLoadingError, "it is still loading its data"),
    (errors.MaxConnectionsError, "it has too many connections"),
    (errors.TimeoutError, "no answer in time"),
    (errors.ReadOnlyError, "it is a read-only replica"),
    (errors.OutOfMemoryError, "it is out of memory"),
    (errors.ClusterCrossSlotError, "it is a member of a cluster, of which the settings do not tell"),
    (errors.AskError, "it is a member of a cluster, of which the settings do not tell"),
    (errors.ClusterDownError, "its cluster does not serve these keys now"),
    (
        MasterNotFoundError,
        "no sentinel that answers knows a master of this service_name that does (or sentinel_password is wrong)",
    ),
)

# Of one command's value; any other error is about the server, which may be mended. Servers close the connection of who
# sends more than `proto-max-bulk-len`, and seldom get to say so.
_REFUSALS: Final = re.compile(
    r"value is not an integer or out of range|invalid expire time|string exceeds maximum allowed size"
    r"|Protocol error: (invalid bulk|too big)|max (request|single record) size exceeded"
)

_FULL: Final = "No connection available"  # how redis-py says that an asker waited too long for one
# Of an error without a class of its own: how the server's text begins.
_TEXTS: Final[tuple[tuple[str, str], ...]] = (
    (_FULL, "all connections were in use for too long: see max_connections"),
    ("This instance has cluster support disabled", "it is no member of a cluster"),
    ("unknown command", "it does not know a command: Redis 6.2 or newer is needed, and no sentinel in its place"),
    ("DB index is out of range", "it has no database of this number: see db"),
    ("syntax error", "it does not know a command: Redis 6.2 or newer is needed"),
)
_NO_TLS: Final = "it cannot be talked to by TLS: see ssl_ca_certs, and the host name in its certificate"

# These steer redis-py's own way to a cluster's nodes, and mean nothing to a node.
_OF_THE_CLUSTER: Final = signature(RedisCluster).parameters.keys() - signature(Redis).parameters.keys()


class Lost(StoreUnavailable):
    """The connection could not be made, or broke: by the network, the server, or what it was sent."""


class NoScript(StoreUnavailable):
    """The server does not have the script of this digest: it was not sent since the server started."""


class _Pool(BlockingConnectionPool):
    """One TLS context for all its connections: redis-py makes one for each, on the event loop, in 20 ms or more."""

    tls: RedisSSLContext | None = None

    def make_connection(self) -> AbstractConnection:
        connection: AbstractConnection = super().make_connection()  # type: ignore[no-untyped-call]
        if isinstance(connection, SSLConnection):
            if self.tls is None:
                self.tls = connection.ssl_context
            connection.ssl_context = self.tls
        return connection


class _SentinelPool(SentinelConnectionPool, _Pool):
    """The master's connections. Those of the sentinels are closed with them."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        await super().disconnect(inuse_connections)
        if inuse_connections:  # else it only leaves an old master
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()


def connect(settings: RedisSettings, seconds: float) -> Redis:
    """A client of the one server, or of the master that the sentinels name; not connected yet. `seconds` bound
    connecting and each answer, unless the settings say otherwise.

    Raises ConfigError, without any value of the settings; also for a cluster, whose keys are not with one server.
    """
    if settings.cluster_nodes:
        raise ConfigError("cache_params", "redis_startup_nodes", "one server, or sentinels of one")
    with _told():
        options = _options(settings, seconds)
        if settings.url is not None:
            return _ready(_blocking(Redis.from_url(settings.url.get_secret_value(), **options), seconds))
        if settings.sentinel_nodes and settings.service_name is not None:
            return _ready(_named_by_sentinels(settings, settings.service_name, options, seconds))
        host = "localhost" if settings.host is None else settings.host
        node = Node(host=host, port=settings.port)
        return _ready(_at(node, settings, {"db": settings.db, **options}, seconds))


def connect_nodes(settings: RedisSettings, seconds: float) -> Callable[[Node], Redis]:
    """How each node of a cluster is reached; as `connect`."""
    with _told(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        options = _options(settings, seconds)
        # connects nothing, and finds the arguments that it does not know
        RedisCluster(startup_nodes=[ClusterNode(one.host, one.port) for one in settings.cluster_nodes], **options)
        options = {name: value for name, value in options.items() if name not in _OF_THE_CLUSTER}
        model = _ready(_at(settings.cluster_nodes[0], settings, options, seconds))

    def reach(node: Node) -> Redis:
        client = _at(node, settings, options, seconds)
        _pool(client).tls = _pool(model).tls
        return client

    return reach


def _options(settings: RedisSettings, seconds: float) -> dict[str, Any]:
    return {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        # Once more at once, for a connection that the server closed while it lay idle, and never after a timeout:
        # redis-py's own ten times with back-off are longer than any deadline here.
        "retry": Retry(NoBackoff(), 1, supported_errors=(errors.ConnectionError,)),
        **settings.arguments,
        "max_connections": _CONNECTIONS if settings.max_connections is None else settings.max_connections,
        **({} if settings.iam is None else {"credential_provider": provider(settings.iam)}),
    }


def _at(node: Node, settings: RedisSettings, options: dict[str, Any], seconds: float) -> Redis:
    login: dict[str, Any] = {}
    if settings.iam is None:
        password = None if settings.password is None else settings.password.get_secret_value()
        login = {"username": settings.username, "password": password}
    return _blocking(Redis(host=node.host, port=node.port, ssl=settings.ssl, **login, **options), seconds)


def _named_by_sentinels(settings: RedisSettings, service: str, options: dict[str, Any], seconds: float) -> Redis:
    model = _at(Node(host="", port=0), settings, {"db": settings.db, **options}, seconds).connection_pool
    arguments = {
        name: value
        for name, value in model.connection_kwargs.items()
        if name not in {"host", "port"} and not name.startswith(("maint_", "orig_"))  # of one host that never changes
    }
    sentinels = Sentinel([])  # type: ignore[no-untyped-call]
    client: Redis = sentinels.master_for(
        service,
        connection_pool_class=_SentinelPool,
        max_connections=model.max_connections,
        timeout=seconds,
        ssl=settings.ssl,
        **arguments,
    )
    _pool(client).make_connection()
    # The sentinels' own password; TLS and time limits are the same for them and for what they watch.
    password = None if settings.sentinel_password is None else settings.sentinel_password.get_secret_value()
    shared = {name: value for name, value in options.items() if name.startswith(("socket_", "ssl_")) or name == "retry"}
    for node in settings.sentinel_nodes:
        one = _blocking(Redis(host=node.host, port=node.port, password=password, ssl=settings.ssl, **shared), seconds)
        _pool(one).tls = _pool(client).tls
        sentinels.sentinels.append(one)
    return client


def _blocking(client: Redis, seconds: float) -> Redis:
    # redis-py knows best how its arguments become those of a connection: only its pool is taken from here
    pool = client.connection_pool
    arguments = {**pool.connection_kwargs, "decode_responses": False}
    blocking = _Pool(pool.max_connections, seconds, pool.connection_class, **arguments)
    blocking.make_connection()  # connects nothing, and finds the arguments that it does not know
    return Redis.from_pool(blocking)


def _pool(client: Redis) -> _Pool:
    return cast("_Pool", client.connection_pool)  # whatever is made here has one of these


def _ready(client: Redis) -> Redis:
    """With the files of its TLS read."""
    tls = _pool(client).tls
    if tls is not None:
        try:
            tls.get()
        except (OSError, TypeError, ValueError) as error:
            words = f"files of certificates and keys that can be read ({type(error).__name__})"
            raise ConfigError("cache_params", "ssl_ca_certs, ssl_certfile, ssl_keyfile", words) from None
    return client


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError, AttributeError, errors.RedisError, errors.RedisClusterException) as error:
        words = "redis:// or rediss:// and arguments that redis-py's client takes"
        raise ConfigError("cache_params", "redis", f"{words} ({type(error).__name__})") from None


@contextmanager
def translated() -> Iterator[None]:
    """What redis-py raises becomes StoreUnavailable (Lost, where the connection is), or StoreRefused where it is about
    one value.
    """
    try:
        yield
    except (errors.RedisError, OSError) as error:
        raise ours(error) from None


def ours(error: Exception) -> StoreError:
    """What an error of redis-py means."""
    if isinstance(error, NoToken):
        return StoreUnavailable(f"redis: {error}")
    if isinstance(error, errors.NoScriptError):
        return NoScript("redis: it does not have this script")
    said = str(error)
    words = [words for kind, words in _WORDS if isinstance(error, kind)]
    words += [words for text, words in _TEXTS if said.startswith(text)]
    if words:
        return StoreUnavailable(f"redis: {words[0]}")
    if isinstance(error, errors.ConnectionError | OSError):
        return Lost(f"redis: {_NO_TLS if _of_tls(error) else 'cannot be reached'}")
    if isinstance(error, errors.ResponseError) and _REFUSALS.match(said):
        return StoreRefused("redis: a value that the server does not take")
    return StoreUnavailable(f"redis: {type(error).__name__}")


def failed(answer: Any) -> bool:
    """Whether an answer of redis-py says that the server itself cannot be asked."""
    away = isinstance(answer, errors.ConnectionError | errors.TimeoutError | OSError)
    return away and not str(answer).startswith(_FULL)


def _of_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None
