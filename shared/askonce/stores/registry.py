"""The table of stores, and how each is opened from the settings: the only place that tells one type from another.

A process imports the store that it uses and no other: all their clients together are 70 MB and most of a second.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

from askonce.config.settings import CacheType, Settings
from askonce.core.errors import ConfigError
from askonce.stores.inspection import Inspector
from askonce.stores.protocols import Matcher, Reader, Writer

T = TypeVar("T")
Clock = Callable[[], float]

# What our keys start with where no namespace sets them apart from others in the same Redis; never shown to clients.
_PREFIX: Final = "askonce:"


@dataclass(frozen=True, slots=True)
class StoreType:
    """`deadline` is in seconds, for one read; None where a read never waits. `shared` says that frontends read it and
    writers write it; where it is not, memory is all there is, and there is nothing to open.

    `open_matcher` is for the types that match by meaning: their reader, with the verb for it. `open_inspector` is for
    those whose server tells operators of itself.

    All `open_…` raise ConfigError and connect to nothing yet: `ping` does.
    """

    name: CacheType
    deadline: float | None
    shared: bool
    open_reader: Callable[[Settings, Clock], Reader]
    open_writer: Callable[[Settings, Clock], Writer]
    open_matcher: Callable[[Settings, Clock], Matcher] | None = None
    open_inspector: Callable[[Settings], Inspector] | None = None


def _given(part: T | None, settings: Settings) -> T:
    if part is None:
        raise ConfigError(settings.source, "cache_params", f"settings of the {settings.cache.type} store")
    return part


def _prefix(settings: Settings) -> str:
    return "" if settings.cache.namespace else _PREFIX


def _disk_reader(settings: Settings, clock: Clock) -> Reader:
    from askonce.stores.disk import DiskReader, open_environment

    return DiskReader(open_environment(_given(settings.cache.disk, settings), writable=False), clock)


def _disk_writer(settings: Settings, clock: Clock) -> Writer:
    from askonce.stores.disk import DiskWriter, open_environment

    disk = _given(settings.cache.disk, settings)
    return DiskWriter(open_environment(disk, writable=True), disk.max_bytes, clock)


def _redis_reader(settings: Settings, clock: Clock) -> Reader:
    from askonce.stores.redis.exact import RedisReader

    return RedisReader(_given(settings.cache.redis, settings), _prefix(settings), clock)


def _redis_writer(settings: Settings, clock: Clock) -> Writer:
    from askonce.stores.redis.exact import RedisWriter

    return RedisWriter(_given(settings.cache.redis, settings), _prefix(settings), clock)


def _redis_inspector(settings: Settings) -> Inspector:
    from askonce.stores.redis.info import RedisInspector

    return RedisInspector(_given(settings.cache.redis, settings))


def _s3_reader(settings: Settings, clock: Clock) -> Reader:
    from askonce.stores.s3.objects import S3Reader

    return S3Reader(_given(settings.cache.s3, settings), clock)


def _s3_writer(settings: Settings, clock: Clock) -> Writer:
    from askonce.stores.s3.objects import S3Writer

    return S3Writer(_given(settings.cache.s3, settings), clock)


def _qdrant_reader(settings: Settings, clock: Clock) -> Matcher:
    from askonce.stores.qdrant.reader import QdrantReader

    return QdrantReader(_given(settings.cache.qdrant, settings), _given(settings.cache.semantic, settings), clock)


def _qdrant_writer(settings: Settings, clock: Clock) -> Writer:
    from askonce.stores.qdrant.writer import QdrantWriter

    return QdrantWriter(_given(settings.cache.qdrant, settings), _given(settings.cache.semantic, settings), clock)


def _redis_semantic_reader(settings: Settings, clock: Clock) -> Matcher:
    from askonce.stores.redis.semantic import RedisSemanticReader

    redis, semantic = _given(settings.cache.redis, settings), _given(settings.cache.semantic, settings)
    return RedisSemanticReader(redis, semantic, _prefix(settings), clock)


def _redis_semantic_writer(settings: Settings, clock: Clock) -> Writer:
    from askonce.stores.redis.semantic import RedisSemanticWriter

    redis, semantic = _given(settings.cache.redis, settings), _given(settings.cache.semantic, settings)
    return RedisSemanticWriter(redis, semantic, _prefix(settings), clock)


def _nothing(settings: Settings, _clock: Clock) -> NoReturn:
    expected = f"a store that writers write; {settings.cache.type} lives in the frontends' memory and needs no writer"
    raise ConfigError(settings.source, "cache_params.type", expected)


_ROWS: Final = (
    StoreType("local", None, shared=False, open_reader=_nothing, open_writer=_nothing),
    # no deadline: it is read on the loop itself, and nothing could end that
    StoreType("disk", None, shared=True, open_reader=_disk_reader, open_writer=_disk_writer),
    StoreType("redis", 0.05, True, _redis_reader, _redis_writer, open_inspector=_redis_inspector),
    StoreType("s3", 0.5, shared=True, open_reader=_s3_reader, open_writer=_s3_writer),
    StoreType("qdrant-semantic", 0.1, True, _qdrant_reader, _qdrant_writer, _qdrant_reader),
    StoreType(
        "redis-semantic",
        0.1,
        True,
        _redis_semantic_reader,
        _redis_semantic_writer,
        _redis_semantic_reader,
        _redis_inspector,
    ),
)
STORES: Final[dict[CacheType, StoreType]] = {row.name: row for row in _ROWS}
