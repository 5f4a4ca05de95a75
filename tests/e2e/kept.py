"""What the stores hold, read past the proxy: straight out of LMDB and Redis, in the test's own process."""

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from askonce.config.settings import DiskSettings, RedisSettings
from askonce.core.entry import Entry, Lookup
from askonce.core.key import CacheKey
from askonce.stores.disk import DiskReader, open_environment
from askonce.stores.protocols import Reader
from askonce.stores.redis.exact import RedisReader
from tests.e2e.queue import SETTLED_WITHIN
from tests.e2e.stack import eventually
from tests.servers import Valkey

UNNAMED = "unnamed"  # a config.yaml without a word about caching
LOCAL = "  cache: true\n  cache_params:\n    type: local\n"
_DISK = "  cache: true\n  cache_params:\n    type: disk\n    disk_cache_dir: kept\n"


class Backing:
    """A store that proxies started in `folder` with these `settings` use. `server` is there for redis only."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = "disk" if kind == UNNAMED else kind
        self.server: Valkey | None = None
        self._path = folder / ".askonce" / "cache" if kind == UNNAMED else folder / "kept"
        self._reader: Reader | None = None
        if kind == "redis":
            self.server = Valkey(folder / "valkey")
            self.server.start()
        self.settings = "" if kind == UNNAMED else _DISK if self.server is None else redis_settings(self.server)

    @property
    def reader(self) -> Reader:
        if self._reader is None:
            self._reader = disk_reader(self._path) if self.server is None else redis_reader(self.server)
        return self._reader

    async def entry(self, key: CacheKey) -> Entry | None:
        found = (await self.reader.get([Lookup(key)]))[0]
        return None if found is None else found.entry

    async def count(self, keys: Iterable[CacheKey]) -> int:
        """How many of the keys the store has."""
        return sum(found is not None for found in await self.reader.get([Lookup(key) for key in keys]))

    async def has_all(self, keys: Iterable[CacheKey]) -> bool:
        wanted = list(keys)

        async def all_there() -> bool:
            return await self.count(wanted) == len(wanted)

        return await eventually(all_there, SETTLED_WITHIN)

    async def close(self) -> None:
        if self._reader is not None:
            await self._reader.close()
        if self.server is not None:
            self.server.kill()


def redis_settings(server: Valkey) -> str:
    return f"  cache: true\n  cache_params:\n    type: redis\n    host: 127.0.0.1\n    port: {server.port}\n"


def redis_reader(server: Valkey) -> Reader:
    return RedisReader(RedisSettings(url=SecretStr(server.url)), "askonce:", time.time)


def disk_reader(path: Path) -> Reader:
    return DiskReader(open_environment(DiskSettings(path=path, max_bytes=10 << 30), writable=False), time.time)


@asynccontextmanager
async def backing(kind: str, folder: Path) -> AsyncIterator[Backing]:
    """`kind` is a `cache_params.type`, disk or redis, or UNNAMED."""
    made = Backing(kind, folder)
    try:
        yield made
    finally:
        await made.close()
