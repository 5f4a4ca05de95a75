"""The qdrant-semantic store as frontends read it. Knows qdrant-client; nothing above does.

Entries and vectors are in collections of their own (see `names`): an exact key is looked up by its point's id,
and what means the same is found among the vectors of its scope, which point to the keys of entries.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

from qdrant_client import models as m

from askonce.config.settings import QdrantSettings, SemanticSettings
from askonce.core.entry import Found, Lookup, Vector
from askonce.core.key import CacheKey
from askonce.core.wire import unpack_floats
from askonce.stores.protocols import Known, nothing_known
from askonce.stores.qdrant.client import NAME, Absent, answering, connect
from askonce.stores.qdrant.names import ENTRY, KEY, Names
from askonce.stores.qdrant.points import alive_in, frame
from askonce.stores.together import Together, Values
from askonce.stores.values import fetched, found, worth_fetching

READ_SECONDS: Final = 1.0  # for connecting and for an answer; the deadline of a read is shorter, see `guards`

# As LiteLLM sets them: three times as many candidates by their quantized vectors, then told apart by the whole ones.
_SEARCH: Final = m.SearchParams(quantization=m.QuantizationSearchParams(ignore=False, rescore=True, oversampling=3.0))


class QdrantReader:
    """Concurrent gets share round trips. Makes no collection: one that is missing holds nothing."""

    name: Final = NAME

    def __init__(self, settings: QdrantSettings, semantic: SemanticSettings, clock: Callable[[], float]) -> None:
        self._names = Names(semantic.index)
        self._client = connect(settings, READ_SECONDS)
        self._together = Together(self._fetch)
        self._clock = clock

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        if not lookups:
            return []
        values = await self._together.get([str(lookup.key) for lookup in lookups])
        now = self._clock()
        return [found(value, lookup, NAME, now) for lookup, value in zip(lookups, values, strict=True)]

    async def _fetch(self, keys: Sequence[str]) -> Values:
        names = [self._names.point(key) for key in keys]
        try:
            async with answering(READ_SECONDS):
                records = await self._client.retrieve(self._names.exact, names, with_payload=[ENTRY])
        except Absent:
            return [None] * len(keys)
        held = {str(record.id): record.payload for record in records}
        return [frame(held.get(name)) for name in names]

    async def nearest(
        self, lookup: Lookup, limit: int, least: float = -1.0, known: Known = nothing_known
    ) -> list[Found]:
        """Two round trips: the vectors, then the entries that they point to."""
        if lookup.vector is None or not lookup.scope:
            return []
        near = worth_fetching(await self._nearest(lookup.scope, lookup.vector, limit), least)
        return await fetched(near, lookup.scope, self, known)

    async def _nearest(self, scope: str, vector: Vector, limit: int) -> list[tuple[CacheKey, float]]:
        request = m.QueryRequest(
            query=unpack_floats(vector.values),
            filter=alive_in(scope, self._clock()),
            params=_SEARCH,
            limit=limit,
            with_payload=[KEY],
        )
        try:
            async with answering(READ_SECONDS):
                # the plain route: the client's own verb first looks whether it should embed something itself
                answer = await self._client.http.search_api.query_points(
                    self._names.vectors(vector), query_request=request
                )
        except Absent:
            return []
        points = [] if answer.result is None else answer.result.points
        pointed = [(CacheKey.parse(str((hit.payload or {}).get(KEY))), hit.score) for hit in points]
        return [
            (key, max(-1.0, min(1.0, score)))
            for key, score in pointed
            if key is not None and math.isfinite(score)  # what is no number has no place in an order
        ]

    async def ping(self) -> None:
        """Asks for what needs the API key; also opens the first connection."""
        async with answering(READ_SECONDS):
            await self._client.get_collections()

    async def close(self) -> None:
        await self._together.close()
        await self._client.close()
