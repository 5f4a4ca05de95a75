"""The qdrant-semantic store as writers write it: entries into one collection, their vectors into another."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from qdrant_client import models as m

from askonce.config.settings import QdrantSettings, SemanticSettings
from askonce.core.entry import Entry
from askonce.core.errors import StoreRefused, StoreUnavailable
from askonce.core.key import CacheKey
from askonce.stores.qdrant.client import NAME, Absent, answering, connect
from askonce.stores.qdrant.collections import Collections
from askonce.stores.qdrant.names import HOME, KEY, STORED_AT, Names
from askonce.stores.qdrant.points import (
    LARGEST,
    by_size,
    exact_point,
    expired,
    flushable,
    size,
    stored_at,
    vector_point,
)

WRITE_SECONDS: Final = 10.0
_AT_ONCE: Final = 1000  # ids in one request


class QdrantWriter:
    """A batch is one look at what is there, and a request for each 256 points or 8 MB; every request is waited for, so
    that it is durable and seen by the next read.

    Whatever is broken off can be repeated: an entry is written before its vector and deleted after it, so that no
    vector is left behind whose entry nobody will touch again. A vector without its entry is found and not served.

    An older answer does not replace a newer one: a redelivery may come minutes after a refresh of its key. Looking
    first misses only what another writer does in those milliseconds. (Qdrant can compare in the server from 1.16 on, by
    one condition for all points of a request.)
    """

    name: Final = NAME

    def __init__(self, settings: QdrantSettings, semantic: SemanticSettings, clock: Callable[[], float]) -> None:
        self._names = Names(semantic.index)
        self._client = connect(settings, WRITE_SECONDS)
        self._collections = Collections(self._client, self._names, settings.quantization, WRITE_SECONDS)
        self._clock = clock

    async def put(self, entries: Sequence[Entry]) -> None:
        """An entry that comes again without a vector keeps the one it has: the same key is the same text."""
        newest = self._newest(entries)
        points = {name: exact_point(name, entry) for name, entry in newest.items()}
        if any(size(point) > LARGEST for point in points.values()):
            raise StoreRefused(f"{NAME}: an entry larger than a request can be")
        if not newest:
            return
        try:
            await self._put(newest, points)
        except Absent:  # somebody deleted a collection since it was looked at
            self._collections.forget()
            await self._put(newest, points)

    def _newest(self, entries: Sequence[Entry]) -> dict[str, Entry]:
        now = self._clock()
        alive = sorted((entry for entry in entries if entry.fresh(now)), key=_newer)
        return {self._names.point(str(entry.key)): entry for entry in alive}

    async def _put(self, newest: Mapping[str, Entry], points: Mapping[str, m.PointStruct]) -> None:
        exact = await self._collections.exact()
        held = await self._stored_at(list(newest))
        before = {name: held.get(name, -math.inf) for name in newest}
        await self._upsert(exact, [points[name] for name, one in newest.items() if before[name] < one.stored_at])
        vectors: dict[str, list[m.PointStruct]] = {}
        for name, entry in newest.items():
            vector = entry.lookup.vector
            # also where the entry is there already: the vector may come later, or a put have died between the two
            if vector is not None and before[name] <= entry.stored_at:
                collection = await self._collections.vectors(vector)
                vectors.setdefault(collection, []).append(vector_point(name, entry, vector))
        for collection, of_collection in vectors.items():
            await self._upsert(collection, of_collection)

    async def _upsert(self, collection: str, points: Sequence[m.PointStruct]) -> None:
        for batch in by_size(points):
            async with answering(WRITE_SECONDS, writing=True):
                # the plain route: the client's own verb first looks whether it should embed something itself
                answer = await self._client.http.points_api.upsert_points(
                    collection, wait=True, point_insert_operations=m.PointsList(points=batch)
                )
            _done(answer.result)

    async def _stored_at(self, names: Sequence[str]) -> dict[str, float]:
        """Of the entries that are there, by the names of their points."""
        held: dict[str, float] = {}
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            try:
                async with answering(WRITE_SECONDS):
                    records = await self._client.retrieve(self._names.exact, some, with_payload=[STORED_AT])
            except Absent:
                return {}
            times = ((str(record.id), stored_at(record.payload)) for record in records)
            held.update((name, at) for name, at in times if at is not None)
        return held

    async def delete(self, keys: Sequence[CacheKey]) -> None:
        await self._delete([self._names.point(str(key)) for key in keys])

    async def remove(self, entries: Sequence[Entry]) -> None:
        """A look at what is there, then a deletion, for the reason that `put` looks first. What another writer puts in
        between is lost and asked for once more; what is gone stays gone, which is what this is for.
        """
        if entries:
            wanted = [(self._names.point(str(entry.key)), entry.stored_at) for entry in entries]
            held = await self._stored_at(list(dict(wanted)))
            # one that is gone already may have left its vector, where the deletion came between the two writes of a put
            await self._delete([name for name, at in wanted if held.get(name, at) == at])

    async def _delete(self, names: Sequence[str]) -> None:
        """Vectors first: a deletion that is broken off and not repeated leaves an entry, and that has an end."""
        if not names:
            return
        for collection in [*await self._collections.all_vectors(), self._names.exact]:
            for start in range(0, len(names), _AT_ONCE):
                await self._delete_points(collection, m.PointIdsList(points=list(names[start : start + _AT_ONCE])))

    async def _delete_points(self, collection: str, selector: m.PointIdsList | m.FilterSelector) -> None:
        try:
            async with answering(WRITE_SECONDS):
                result = await self._client.delete(collection, selector, wait=True)
        except Absent:
            return
        _done(result)

    async def flush(self, namespace: str, before: float) -> int:
        """Page by page over the entries, of which other proxies may have some; their vectors go with them. Looks first,
        as `remove` does.
        """
        flushed = 0
        after: m.ExtendedPointId | None = None
        while True:
            names, after = await self._flushable(namespace, before, after)
            await self._delete(names)
            flushed += len(names)
            if after is None:
                return flushed

    async def _flushable(
        self, namespace: str, before: float, after: m.ExtendedPointId | None
    ) -> tuple[list[str], m.ExtendedPointId | None]:
        """Of a page of entries, the points that are to go; and where the next page begins, None for no more."""
        try:
            async with answering(WRITE_SECONDS):
                records, following = await self._client.scroll(
                    self._names.exact, limit=_AT_ONCE, offset=after, with_payload=[KEY, STORED_AT, HOME]
                )
        except Absent:
            return [], None
        return [str(one.id) for one in records if flushable(one.payload, namespace, before)], following

    async def sweep(self, now: float) -> int:
        """Entries go with their vectors, page by page: the vector may have a later end, from an older answer of its
        key. A vector with an earlier end goes by itself.
        """
        swept = 0
        while names := await self._expired(now):
            for collection in await self._collections.all_vectors():
                await self._delete_points(collection, m.PointIdsList(points=names))
            # what was refreshed since it was listed is spared
            still = m.Filter(must=[m.HasIdCondition(has_id=names), expired(now)])
            await self._delete_points(self._names.exact, m.FilterSelector(filter=still))
            swept += len(names)
        for collection in await self._collections.all_vectors():
            await self._delete_points(collection, m.FilterSelector(filter=m.Filter(must=[expired(now)])))
        return swept

    async def _expired(self, now: float) -> list[m.ExtendedPointId]:
        """The points of some expired entries."""
        try:
            async with answering(WRITE_SECONDS):
                records, _ = await self._client.scroll(
                    self._names.exact, m.Filter(must=[expired(now)]), limit=_AT_ONCE, with_payload=False
                )
        except Absent:
            return []
        return [record.id for record in records]

    async def ping(self) -> None:
        """Also makes the collection of entries, and looks whether it is as it must be. Those of vectors are made when
        the first vector of their model comes: only that tells the model and its dimension.
        """
        self._collections.forget()
        await self._collections.exact()

    async def close(self) -> None:
        await self._client.close()


def _newer(entry: Entry) -> tuple[float, bool]:
    """The order of answers of one key; an answer that comes a second time with its vector is the newer one."""
    return entry.stored_at, entry.lookup.vector is not None


def _done(result: m.UpdateResult | None) -> None:
    """Raises StoreUnavailable unless the update is complete: without that the next read may not see it."""
    if result is None or result.status != m.UpdateStatus.COMPLETED:
        raise StoreUnavailable(f"{NAME}: an update takes too long")
