"""The redis store: one Redis or Valkey server, entries under `[prefix]<key>`. Knows redis-py; nothing above does."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from redis import exceptions as errors
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from askonce.config.settings import RedisSettings
from askonce.core.entry import Entry, Found, Lookup
from askonce.core.errors import ConfigError, StoreError, StoreRefused, StoreUnavailable, WireError
from askonce.core.key import CacheKey
from askonce.core.wire import decode_entry, encode_entry
from askonce.stores.together import Together, Values
from askonce.stores.values import found

NAME: Final = "redis"

_CONNECTIONS = 16
_READ_SECONDS = 1.0  # for connecting and for an answer; the deadline of a read is shorter, see `guards`
_WRITE_SECONDS = 5.0
_LARGEST_VALUE = 512 << 20  # bytes, Redis's proto-max-bulk-len; it drops the connection of who sends more
_DELETED_AT_ONCE = 1000

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
    (errors.AskError, "it is a member of a cluster, and this store is for a single server"),
    (errors.ClusterError, "it is a member of a cluster, and this store is for a single server"),
    (errors.ConnectionError, "cannot be reached"),
    (OSError, "cannot be reached"),
)


def connect(settings: RedisSettings, seconds: float) -> Redis:
    """A client, not connected yet; `seconds` bound connecting and each answer, unless the settings say otherwise.

    Its pool makes the askers of too many connections wait for one, where redis-py's default raises. Raises
    ConfigError, without any value of the settings.
    """
    options: dict[str, Any] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        # Once more at once, for a connection that the server closed while it lay idle, and never after a timeout:
        # redis-py's own ten times with back-off are longer than any deadline here.
        "retry": Retry(NoBackoff(), 1, supported_errors=(errors.ConnectionError,)),
        **settings.arguments,
    }
    try:
        pool = _addressed(settings, options).connection_pool
        options = {**pool.connection_kwargs, "decode_responses": False}
        most = _CONNECTIONS if settings.max_connections is None else settings.max_connections
        blocking = BlockingConnectionPool(most, seconds, pool.connection_class, **options)
        # connects nothing, and finds the arguments that it does not know
        blocking.make_connection()  # type: ignore[no-untyped-call]
    except (TypeError, ValueError, errors.RedisError) as error:
        words = "redis:// or rediss:// and arguments that redis-py's client takes"
        raise ConfigError("cache_params", "redis", f"{words} ({type(error).__name__})") from None
    return Redis.from_pool(blocking)


def _addressed(settings: RedisSettings, options: dict[str, Any]) -> Redis:
    # redis-py knows best how its arguments become those of a connection: only its pool is taken from here
    if settings.url is not None:
        return Redis.from_url(settings.url.get_secret_value(), **options)
    return Redis(
        host="localhost" if settings.host is None else settings.host,
        port=settings.port,
        db=settings.db,
        username=settings.username,
        password=None if settings.password is None else settings.password.get_secret_value(),
        ssl=settings.ssl,
        **options,
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (errors.RedisError, OSError) as error:
        raise _ours(error) from None


def _ours(error: Exception) -> StoreError:
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return StoreUnavailable(f"redis: {words}")
    return StoreUnavailable(f"redis: {type(error).__name__}")


class RedisReader:
    """Concurrent gets share round trips. `prefix` stands before every key in the server and nowhere else."""

    name: Final = NAME

    def __init__(self, settings: RedisSettings, prefix: str, clock: Callable[[], float]) -> None:
        self._client = connect(settings, _READ_SECONDS)
        self._together = Together(self._fetch)
        self._prefix = prefix
        self._clock = clock

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        if not lookups:
            return []
        values = await self._together.get([f"{self._prefix}{lookup.key}" for lookup in lookups])
        now = self._clock()
        return [found(value, lookup, NAME, now) for lookup, value in zip(lookups, values, strict=True)]

    async def _fetch(self, keys: Sequence[str]) -> Values:
        with _translated():
            return await _values(self._client, keys)

    async def ping(self) -> None:
        """Also opens the first connection."""
        with _translated():
            await self._client.ping()

    async def close(self) -> None:
        await self._together.close()
        await self._client.aclose()


class RedisWriter:
    """A batch is one look at what is there and one pipeline. Redis removes what has expired by itself.

    An older answer does not replace a newer one: a redelivery may come minutes after a refresh of its key, and
    would undo it. Looking first costs a round trip a batch, and misses only what another writer does in that
    millisecond; a script in the server would close that gap too, and ask for a permission that many do not give.
    """

    name: Final = NAME

    def __init__(self, settings: RedisSettings, prefix: str, clock: Callable[[], float]) -> None:
        self._client = connect(settings, _WRITE_SECONDS)
        self._prefix = prefix
        self._clock = clock

    async def put(self, entries: Sequence[Entry]) -> None:
        newest = self._newest(entries)
        values = {key: encode_entry(entry) for key, entry in newest.items()}
        if any(len(value) > _LARGEST_VALUE for value in values.values()):
            raise StoreRefused("redis: an entry larger than a value can be")
        if not newest:
            return
        with _translated():
            held = await _values(self._client, list(newest))
            pipeline = self._client.pipeline(transaction=False)
            for (key, entry), before in zip(newest.items(), held, strict=True):
                if _stored_at(before) < entry.stored_at:
                    pipeline.set(key, values[key], pxat=_milliseconds(entry.expires_at))
            for result in await pipeline.execute(raise_on_error=False):
                if isinstance(result, Exception):
                    raise result

    def _newest(self, entries: Sequence[Entry]) -> dict[str, Entry]:
        now = self._clock()
        alive = sorted((entry for entry in entries if entry.fresh(now)), key=lambda entry: entry.stored_at)
        return {f"{self._prefix}{entry.key}": entry for entry in alive}

    async def delete(self, keys: Sequence[CacheKey]) -> None:
        names = [f"{self._prefix}{key}" for key in keys]
        with _translated():
            for start in range(0, len(names), _DELETED_AT_ONCE):
                await self._client.unlink(*names[start : start + _DELETED_AT_ONCE])

    async def remove(self, entries: Sequence[Entry]) -> None:
        """A look at what is there, then UNLINK, for the reason that `put` looks first. What another writer puts in
        between is lost and asked for once more; what is gone stays gone, which is what this is for.
        """
        for start in range(0, len(entries), _DELETED_AT_ONCE):
            wanted = {f"{self._prefix}{one.key}": one.stored_at for one in entries[start : start + _DELETED_AT_ONCE]}
            with _translated():
                held = await _values(self._client, list(wanted))
                named = zip(wanted.items(), held, strict=True)
                if gone := [name for (name, stored_at), value in named if _stored_at(value) == stored_at]:
                    await self._client.unlink(*gone)

    async def sweep(self, now: float) -> int:  # noqa: ARG002 - the server keeps its own time
        return 0

    async def ping(self) -> None:
        with _translated():
            await self._client.ping()

    async def close(self) -> None:
        await self._client.aclose()


async def _values(client: Redis, keys: Sequence[str]) -> Values:
    values = await client.mget(keys)
    return [value if isinstance(value, bytes) else None for value in values]


def _stored_at(value: bytes | None) -> float:
    if value is None:
        return -math.inf
    try:
        return decode_entry(value).stored_at
    except WireError:
        return -math.inf


def _milliseconds(expires_at: float | None) -> int | None:
    # rounded up: the entry itself says exactly when it ends
    return None if expires_at is None else math.ceil(expires_at * 1000)
