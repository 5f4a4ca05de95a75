"""The redis-semantic store: the redis store, and beside each entry with a vector a point that leads to it.

A point is a hash `<index>:<written key>` with scope, `stored_at` and vector, which ends when its entry does; the
answer itself is only in the entry. Knows no more of redis-py than a client's commands.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from askonce.config.settings import RedisSettings, SemanticSettings
from askonce.core.entry import Entry, Found, Lookup, Vector
from askonce.core.key import CacheKey
from askonce.stores.protocols import Known, nothing_known
from askonce.stores.redis.exact import READ_SECONDS, WRITE_SECONDS, RedisReader, RedisWriter
from askonce.stores.redis.index import Indexes, NoSearch, connected, matchable, searching
from askonce.stores.values import fetched, worth_fetching

NAME: Final = "redis-semantic"

# Points that lead to nothing any more may be nearer than those wanted: entries that the server evicted, say.
_SPARE: Final = 8
# Points in one command or transaction. To put one into the graph or take it out holds up the server for 0.5 ms to
# 1.3 ms (384 to 1,536 dimensions), and a read waits for all of them.
_POINTS: Final = 8
_KEYS: Final = 1000  # in one command that touches no point

T = TypeVar("T")
Field = bytes | bytearray | memoryview | str | int | float  # as redis-py has it


@dataclass(frozen=True, slots=True)
class _Point:
    index: str
    entry: Entry
    vector: Vector

    @property
    def name(self) -> str:
        return f"{self.index}:{self.entry.key}"

    @property
    def stored_at(self) -> float:
        return self.entry.stored_at

    def fields(self) -> dict[Field, Field]:
        return {"scope": self.entry.lookup.scope, "stored_at": repr(self.stored_at), "vector": self.vector.values}


class RedisSemanticReader:
    """Exact reads are the redis store's. A search is one round trip, and the entries that it leads to another."""

    name: Final = NAME

    def __init__(
        self, settings: RedisSettings, semantic: SemanticSettings, prefix: str, clock: Callable[[], float]
    ) -> None:
        self._indexes = Indexes(connected(settings, READ_SECONDS), semantic.index)
        self._exact = RedisReader(settings, prefix, clock)

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        return [None if one is None else Found(one.entry, NAME) for one in await self._exact.get(lookups)]

    async def nearest(
        self, lookup: Lookup, limit: int, least: float = -1.0, known: Known = nothing_known
    ) -> list[Found]:
        vector = matchable(lookup)
        if vector is None or limit < 1:
            return []
        near = await self._indexes.nearest(vector, lookup.scope, limit + _SPARE)
        found: list[Found] = []
        for some in _parts(
            worth_fetching(near, least), limit
        ):  # entries may be large: the spare ones are fetched only where others are gone
            found += await fetched(_parsed(some), lookup.scope, self, known)
            if len(found) >= limit:
                break
        return found[:limit]

    async def ping(self) -> None:
        """Also opens the first connections, and looks at each index once."""
        await self._exact.ping()
        await self._indexes.check()

    async def close(self) -> None:
        await self._exact.close()
        await self._indexes.close()


def _parsed(near: Sequence[tuple[str, float]]) -> list[tuple[CacheKey, float]]:
    named = ((CacheKey.parse(name), similarity) for name, similarity in near)
    return [(key, similarity) for key, similarity in named if key is not None]


class RedisSemanticWriter:
    """The entry is written before its point and deleted before it, so that a point may lead to nothing but never an
    entry be found by meaning that was to go. An index is made with the first vector of its space and dimension, and
    looked for in every batch: the server may have come back empty.
    """

    name: Final = NAME

    def __init__(
        self, settings: RedisSettings, semantic: SemanticSettings, prefix: str, clock: Callable[[], float]
    ) -> None:
        self._client = connected(settings, WRITE_SECONDS)
        self._indexes = Indexes(self._client, semantic.index)
        self._exact = RedisWriter(settings, prefix, clock)
        self._prefix = prefix
        self._clock = clock

    async def put(self, entries: Sequence[Entry]) -> None:
        await self._exact.put(entries)
        points = self._points(entries)
        if not points:
            return
        try:
            await self._indexes.make({point.index for point in points.values()})
        except NoSearch:  # pings say so; what is asked again word for word shall be found all the same
            return
        with searching():
            held = await self._held(list(points))
            newer = [point for name, point in points.items() if held[name] < point.stored_at]
            for some in _parts(newer, _POINTS):
                await self._write(some)

    def _points(self, entries: Sequence[Entry]) -> dict[str, _Point]:
        now = self._clock()
        points: dict[str, _Point] = {}
        for entry in sorted(entries, key=lambda entry: entry.stored_at):
            vector = matchable(entry.lookup)
            if vector is not None and entry.fresh(now):
                point = _Point(self._indexes.name(vector), entry, vector)
                points[point.name] = point
        return points

    async def _held(self, names: Sequence[str]) -> dict[str, float]:
        """Whose points they are, told by `stored_at`: a repeat shall cost nothing, and a redelivery undo nothing."""
        pipeline = self._client.pipeline(transaction=False)
        for name in names:
            pipeline.hget(name, "stored_at")
        values = await pipeline.execute(raise_on_error=False)
        return {name: _seconds(value) for name, value in zip(names, values, strict=True)}

    async def _write(self, points: Sequence[_Point]) -> None:
        pipeline = self._client.pipeline(transaction=True)  # never a point without its end
        for point in points:
            pipeline.unlink(point.name)  # with the end that it has: a new one may have none
            pipeline.hset(point.name, mapping=point.fields())
            if point.entry.expires_at is not None:
                pipeline.pexpireat(point.name, math.ceil(point.entry.expires_at * 1000))
        await pipeline.execute()

    async def delete(self, keys: Sequence[CacheKey]) -> None:
        await self._exact.delete(keys)
        await self._forget(keys)

    async def remove(self, entries: Sequence[Entry]) -> None:
        """A point goes when its key holds no entry any more. What another writer puts in between may be left without
        one, and is found by its key only.
        """
        await self._exact.remove(entries)
        gone: list[CacheKey] = []
        for some in _parts(list({entry.key: None for entry in entries}), _KEYS):
            with searching():
                pipeline = self._client.pipeline(transaction=False)
                for key in some:
                    pipeline.exists(f"{self._prefix}{key}")
                gone += [key for key, there in zip(some, await pipeline.execute(), strict=True) if not there]
        await self._forget(gone)

    async def _forget(self, keys: Sequence[CacheKey]) -> None:
        """Their points in every index, for the model may have changed since."""
        if not keys:
            return
        try:
            points = [f"{index}:{key}" for index in await self._indexes.names() for key in keys]
        except NoSearch:  # and no points
            return
        with searching():
            for some in _parts(points, _POINTS):
                await self._client.unlink(*some)

    async def flush(self, namespace: str, before: float) -> int:
        """Points go first: where it is broken off, their entries are still there to lead to what is left to do."""
        return await self._exact.flush(namespace, before, self._forget)

    async def sweep(self, now: float) -> int:
        return await self._exact.sweep(now)

    async def ping(self) -> None:
        await self._exact.ping()
        await self._indexes.check()

    async def close(self) -> None:
        await self._exact.close()
        await self._indexes.close()


def _seconds(value: object) -> float:
    try:
        return float(value) if isinstance(value, bytes) else -math.inf
    except ValueError:
        return -math.inf


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
