"""The table of stores, and how each is opened from the settings: the only place that tells one type from another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from askonce.config.settings import CacheType, DiskSettings, RedisSettings, Settings
from askonce.core.errors import ConfigError
from askonce.stores.disk import DiskReader, DiskWriter, open_environment
from askonce.stores.protocols import Reader, Writer
from askonce.stores.redis import RedisReader, RedisWriter

Clock = Callable[[], float]

# What our keys start with where no namespace sets them apart from others in the same Redis; never shown to clients.
_PREFIX: Final = "askonce:"


@dataclass(frozen=True, slots=True)
class StoreType:
    """`deadline` is in seconds, for one read; None where a read never waits. `shared` says that frontends read it and
    writers write it; where it is not, memory is all there is, and there is nothing to open.

    Both `open_…` raise ConfigError and connect to nothing yet: `ping` does.
    """

    name: CacheType
    deadline: float | None
    shared: bool
    open_reader: Callable[[Settings, Clock], Reader]
    open_writer: Callable[[Settings, Clock], Writer]


def _disk(settings: Settings) -> DiskSettings:
    if settings.cache.disk is None:
        raise ConfigError(settings.source, "cache_params", "settings of the disk store")
    return settings.cache.disk


def _redis(settings: Settings) -> RedisSettings:
    if settings.cache.redis is None:
        raise ConfigError(settings.source, "cache_params", "settings of the redis store")
    return settings.cache.redis


def _prefix(settings: Settings) -> str:
    return "" if settings.cache.namespace else _PREFIX


def _disk_reader(settings: Settings, clock: Clock) -> Reader:
    return DiskReader(open_environment(_disk(settings), writable=False), clock)


def _disk_writer(settings: Settings, clock: Clock) -> Writer:
    disk = _disk(settings)
    return DiskWriter(open_environment(disk, writable=True), disk.max_bytes, clock)


def _redis_reader(settings: Settings, clock: Clock) -> Reader:
    return RedisReader(_redis(settings), _prefix(settings), clock)


def _redis_writer(settings: Settings, clock: Clock) -> Writer:
    return RedisWriter(_redis(settings), _prefix(settings), clock)


def _nothing(settings: Settings, _clock: Clock) -> NoReturn:
    expected = f"a store that writers write; {settings.cache.type} lives in the frontends' memory and needs no writer"
    raise ConfigError(settings.source, "cache_params.type", expected)


_ROWS: Final = (
    StoreType("local", None, shared=False, open_reader=_nothing, open_writer=_nothing),
    # no deadline: it is read on the loop itself, and nothing could end that
    StoreType("disk", None, shared=True, open_reader=_disk_reader, open_writer=_disk_writer),
    StoreType("redis", 0.05, shared=True, open_reader=_redis_reader, open_writer=_redis_writer),
)
STORES: Final[dict[CacheType, StoreType]] = {row.name: row for row in _ROWS}
