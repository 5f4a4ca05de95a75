"""Collections: made when they are needed, looked at before they are used. Knows no entry."""

from collections.abc import Mapping
from typing import Final, Literal

from qdrant_client import AsyncQdrantClient
from qdrant_client import models as m

from askonce.core.entry import Vector
from askonce.core.errors import StoreRefused, StoreUnavailable
from askonce.stores.qdrant.client import NAME, Absent, Taken, answering
from askonce.stores.qdrant.names import EXPIRES_AT, SCOPE, Names

Quantization = Literal["binary", "scalar", "product"]
Schema = Mapping[str, m.PayloadSchemaType]

# Every entry has this one vector, since a point must have one. Nobody searches by it: no graph is built.
CONSTANT: Final = (1.0,)
_EXACT_VECTOR: Final = m.VectorParams(size=len(CONSTANT), distance=m.Distance.DOT)
_NO_GRAPH: Final = m.HnswConfigDiff(m=0)

_OF_EXACT: Final[Schema] = {EXPIRES_AT: m.PayloadSchemaType.INTEGER}
_OF_VECTORS: Final[Schema] = {EXPIRES_AT: m.PayloadSchemaType.INTEGER, SCOPE: m.PayloadSchemaType.KEYWORD}

# As LiteLLM sets them.
_QUANTIZATIONS: Final[Mapping[Quantization, m.QuantizationConfig]] = {
    "binary": m.BinaryQuantization(binary=m.BinaryQuantizationConfig(always_ram=False)),
    "scalar": m.ScalarQuantization(
        scalar=m.ScalarQuantizationConfig(type=m.ScalarType.INT8, quantile=0.99, always_ram=False)
    ),
    "product": m.ProductQuantization(
        product=m.ProductQuantizationConfig(compression=m.CompressionRatio.X16, always_ram=False)
    ),
}


class Collections:
    """The collections of one index. `seconds` bound each request.

    All verbs raise StoreUnavailable. One that exists and is of another kind is never used: where it should have the
    entries, nothing can be kept until somebody mends it, StoreUnavailable; where it should have vectors, StoreRefused.
    """

    def __init__(self, client: AsyncQdrantClient, names: Names, quantization: Quantization, seconds: float) -> None:
        self._client = client
        self._names = names
        self._quantization = _QUANTIZATIONS[quantization]
        self._seconds = seconds
        self._ready: set[str] = set()  # made or looked at already
        self._ours: set[str] = set()  # collections with vectors that were looked at, whoever made them

    async def exact(self) -> str:
        name = self._names.exact
        if name not in self._ready:
            create = m.CreateCollection(vectors=_EXACT_VECTOR, hnsw_config=_NO_GRAPH)
            try:
                await self._make(name, create, _EXACT_VECTOR, _OF_EXACT)
            except StoreRefused as error:
                raise StoreUnavailable(str(error)) from None
        return name

    async def vectors(self, vector: Vector) -> str:
        name = self._names.vectors(vector)
        if name not in self._ready:
            params = m.VectorParams(size=vector.dimensions, distance=m.Distance.COSINE)
            create = m.CreateCollection(vectors=params, quantization_config=self._quantization)
            await self._make(name, create, params, _OF_VECTORS)
        return name

    async def all_vectors(self) -> list[str]:
        """Every collection of this index that has vectors, whoever made it and whenever."""
        async with answering(self._seconds):
            listed = (await self._client.get_collections()).collections
        called = [one.name for one in listed if self._names.may_hold_vectors(one.name)]
        return [name for name in called if await self._is_ours(name)]

    def forget(self) -> None:
        """One was not there although it had been: they are all looked at anew."""
        self._ready.clear()

    async def _make(self, name: str, create: m.CreateCollection, params: m.VectorParams, schema: Schema) -> None:
        """Idempotent, also when several writers are at it at the same time, or one died halfway."""
        try:
            info = await self._info(name)
        except Absent:
            try:
                async with answering(self._seconds):
                    await self._client.http.collections_api.create_collection(name, create_collection=create)
            except Taken:
                pass  # another writer was quicker
            info = await self._info(name)
        _check(name, info, params)
        for field, kind in schema.items():
            if field not in info.payload_schema:
                async with answering(self._seconds):
                    await self._client.create_payload_index(name, field, kind)
        self._ready.add(name)

    async def _info(self, name: str) -> m.CollectionInfo:
        async with answering(self._seconds):
            return await self._client.get_collection(name)

    async def _is_ours(self, name: str) -> bool:
        """Told by what is indexed: the name alone may be anybody's. One that is being made has no points yet."""
        if name not in self._ours:
            try:
                info = await self._info(name)
            except Absent:  # deleted since it was listed
                return False
            if not _OF_VECTORS.keys() <= info.payload_schema.keys():
                return False
            self._ours.add(name)
        return True


def _check(name: str, info: m.CollectionInfo, expected: m.VectorParams) -> None:
    vectors = info.config.params.vectors
    if not isinstance(vectors, m.VectorParams):
        found = "no vector or several named ones"
    elif (vectors.size, vectors.distance) == (expected.size, expected.distance):
        return
    else:
        found = _described(vectors)
    words = f"has {found} where {_described(expected)} is expected; delete it, or use another qdrant_collection_name"
    raise StoreRefused(f"{NAME}: collection {name} {words}")


def _described(vectors: m.VectorParams) -> str:
    return f"one vector of {vectors.size} dimensions and distance {vectors.distance.value}"
