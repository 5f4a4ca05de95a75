"""The disk store: LMDB in a folder, shared by any number of processes of one machine. Knows nothing of memory tiers.

A process may open an environment once, so both roles are handed one: `open_environment` in a process of either role;
one for both where they live together, as in tests.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import lmdb

from askonce.config.settings import DiskSettings
from askonce.core.entry import Entry, Found, Lookup
from askonce.core.errors import ConfigError, StoreRefused, StoreUnavailable
from askonce.core.key import CacheKey
from askonce.stores.shelf import TABLES, Flush, Shelf, Tables, charge, frame, open_tables, reached, written
from askonce.stores.values import found

NAME: Final = "disk"
FOLDER: Final = "askonce.lmdb"

_READERS = 1024  # slots of reading threads, over all processes
_SPARE_BYTES = 64 << 20
_PATIENCE = 30.0  # seconds for one transaction, the wait for other writers included
_SWEPT_AT_ONCE = 500  # entries in one transaction, so that a sweep does not keep writers waiting
_LOOKED_AT_ONCE = 500  # by a flush, before others have their turn

T = TypeVar("T")


def open_environment(settings: DiskSettings, *, writable: bool) -> lmdb.Environment:
    """Opens `<path>/askonce.lmdb`, creating it (0700, its files 0600) when it is not there; clears the slots of
    readers that were killed.

    A reader creates it too: it may well start before the first writer, and a frontend that waited for one would
    have no port to offer. It then opens it again, read-only, so that no bug of its own can write.

    Raises ConfigError when the folder cannot be used.
    """
    folder = settings.path / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = _open(folder, settings, readonly=False) if writable else _open_for_reading(folder, settings)
        environment.reader_check()
    except (OSError, lmdb.Error) as error:
        raise ConfigError(str(folder), "disk store", f"a folder that this process can use ({error})") from None
    return environment


def _open_for_reading(folder: Path, settings: DiskSettings) -> lmdb.Environment:
    try:
        return _open(folder, settings, readonly=True)
    except lmdb.Error:
        _open(folder, settings, readonly=False).close()
        return _open(folder, settings, readonly=True)


def _open(folder: Path, settings: DiskSettings, *, readonly: bool) -> lmdb.Environment:
    environment = lmdb.open(
        str(folder),
        # Twice the limit, and more: a transaction needs fresh pages for all that it touches. It is address space,
        # not disk.
        map_size=2 * settings.max_bytes + _SPARE_BYTES,
        max_dbs=TABLES,
        max_readers=_READERS,
        mode=0o600,
        readonly=readonly,
    )
    try:
        open_tables(environment)
    except lmdb.Error:
        environment.close()
        raise
    return environment


class DiskReader:
    """Reads on the loop itself: a get takes 10 µs with the entry decoded, 2 µs of it in LMDB; the way to a thread and
    back alone takes 100. The price is that a page which has to come from the disk holds up the loop for as long as the
    disk takes.
    """

    name: Final = NAME

    def __init__(self, environment: lmdb.Environment, clock: Callable[[], float]) -> None:
        self._environment = environment
        self._entries = open_tables(environment).entries
        self._clock = clock

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        try:
            frames = self._frames(lookups)
        except lmdb.Error as error:
            raise StoreUnavailable(f"disk: {error}") from None
        now = self._clock()
        return [found(data, lookup, NAME, now) for lookup, data in zip(lookups, frames, strict=True)]

    def _frames(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        try:
            return self._read(lookups)
        except lmdb.MapResizedError:  # a writer runs with a larger limit than ours
            self._environment.set_mapsize(0)
            return self._read(lookups)

    def _read(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        with self._environment.begin(db=self._entries, buffers=True) as transaction:
            values = [transaction.get(str(lookup.key).encode()) for lookup in lookups]
            return [None if value is None else frame(value) for value in values]

    async def ping(self) -> None:
        await self.get(())

    async def close(self) -> None:
        self._environment.close()


class DiskWriter:
    """Writes in a thread of its own: a batch is one transaction, on the disk before `put` returns.

    `max_bytes` bounds what all entries are charged (see `shelf.charge`); above it the oldest go first.
    """

    name: Final = NAME

    def __init__(self, environment: lmdb.Environment, max_bytes: int, clock: Callable[[], float]) -> None:
        self._environment = environment
        self._tables: Tables = open_tables(environment)
        self._page: int = environment.stat()["psize"]
        self._max_bytes = max_bytes
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="disk-writer")
        self._turn = asyncio.Lock()
        self._job: asyncio.Future[Any] | None = None

    async def put(self, entries: Sequence[Entry]) -> None:
        now = self._clock()
        rows = [written(entry) for entry in entries if entry.fresh(now)]
        if any(charge(key, len(value), self._page) > self._max_bytes for key, value in rows):
            raise StoreRefused("disk: an entry larger than the whole store")
        await self._run(lambda: self._put(rows))

    async def delete(self, keys: Sequence[CacheKey]) -> None:
        def remove(shelf: Shelf) -> None:
            for key in keys:
                shelf.remove(str(key).encode())

        await self._run(lambda: self._transact(remove))

    async def remove(self, entries: Sequence[Entry]) -> None:
        """Looks and removes in one transaction: nothing that another writer puts meanwhile is touched."""

        def remove(shelf: Shelf) -> None:
            for entry in entries:
                shelf.remove_answer(str(entry.key).encode(), entry.stored_at)

        await self._run(lambda: self._transact(remove))

    async def flush(self, namespace: str, before: float) -> int:
        """Walks over the keys: a look that keeps no writer waiting, then a transaction for what it found."""
        flush, flushed = Flush(namespace, before), 0
        after: bytes | None = b""
        while after is not None:
            count, after = await self._run(partial(self._flush, flush, after))
            flushed += count
        return flushed

    def _flush(self, flush: Flush, after: bytes) -> tuple[int, bytes | None]:
        try:
            found, last = self._look(flush, after)
        except lmdb.MapResizedError:  # another writer runs with a larger limit
            self._environment.set_mapsize(0)
            found, last = self._look(flush, after)

        def remove(shelf: Shelf) -> None:
            for key, stored_at in found:
                shelf.remove_answer(key, stored_at)

        if found:
            self._transact(remove)
        return len(found), last

    def _look(self, flush: Flush, after: bytes) -> tuple[list[tuple[bytes, float]], bytes | None]:
        with self._environment.begin(buffers=True) as transaction:
            return reached(transaction, self._tables, flush, after, _LOOKED_AT_ONCE)

    async def sweep(self, now: float) -> int:
        """Also clears the slots of readers that were killed since."""
        await self._run(self._environment.reader_check)
        swept = 0
        while True:
            count = await self._run(lambda: self._transact(lambda shelf: shelf.expire(now, _SWEPT_AT_ONCE)))
            swept += count
            if count < _SWEPT_AT_ONCE:
                return swept

    async def ping(self) -> None:
        """Takes the lock of writers once, so that a stuck one shows."""
        await self._run(lambda: self._environment.begin(write=True).abort())

    async def close(self) -> None:
        """Waits for the transaction that is under way."""
        if self._job is not None:
            await asyncio.wait({self._job}, timeout=_PATIENCE)
        self._thread.shutdown(wait=False)
        if self._job is None or self._job.done():  # closing under a running transaction would crash the process
            self._environment.close()

    async def _run(self, work: Callable[[], T]) -> T:
        """One at a time, and never a second in the queue of a thread that is stuck. A transaction that began is not
        cut short by the caller's cancellation.
        """
        try:
            async with asyncio.timeout(_PATIENCE), self._turn:
                if self._job is not None:
                    await asyncio.wait({self._job})
                job = asyncio.get_running_loop().run_in_executor(self._thread, work)
                self._job = job
                return await asyncio.shield(job)
        except TimeoutError:
            raise StoreUnavailable(f"disk: no transaction within {_PATIENCE:.0f} s") from None
        except lmdb.Error as error:
            raise StoreUnavailable(f"disk: {error}") from None

    def _put(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        def place(shelf: Shelf) -> None:
            for key, value in rows:
                shelf.put(key, value)
            shelf.evict(self._max_bytes)

        try:
            self._transact(place)
        except lmdb.MapFullError:
            self._make_room(rows)
            if len(rows) == 1:
                self._transact(place)
            else:  # a batch may be larger than the map: what is left over by one half makes room for the other
                self._put(rows[: len(rows) // 2])
                self._put(rows[len(rows) // 2 :])

    def _make_room(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        # twice what comes, since the pages freed by one transaction serve the next only
        room = 2 * sum(charge(key, len(value), self._page) for key, value in rows)
        self._transact(lambda shelf: shelf.evict(max(0, shelf.bytes - room)))

    def _transact(self, work: Callable[[Shelf], T]) -> T:
        try:
            return self._transact_once(work)
        except lmdb.MapResizedError:  # another writer runs with a larger limit
            self._environment.set_mapsize(0)
            return self._transact_once(work)

    def _transact_once(self, work: Callable[[Shelf], T]) -> T:
        with self._environment.begin(write=True) as transaction:
            shelf = Shelf(transaction, self._tables, self._page)
            result = work(shelf)
            shelf.save()
        return result
