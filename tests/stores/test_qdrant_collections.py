"""The collections of the qdrant-semantic store: how they are made, made anew, and kept apart."""

import asyncio

import pytest
from qdrant_client import AsyncQdrantClient
from qdrant_client import models as m

from askonce.core.entry import Lookup
from askonce.core.errors import StoreRefused, StoreUnavailable
from tests.qdrant_server import QdrantEdge
from tests.stores import qdrant_scene as scene
from tests.stores.contract import Clock, make_entry, make_key
from tests.stores.points import A, B, asked, exact_only, make_point, tilted
from tests.stores.qdrant_scene import EXACT, VECTORS, Open, Opened, count, settings_of, until_works

server = scene.server
empty = scene.empty
raw = scene.raw
open_ = scene.open_
store = scene.store

QUANTIZATIONS = {
    "binary": m.BinaryQuantization(binary=m.BinaryQuantizationConfig(always_ram=False)),
    "scalar": m.ScalarQuantization(
        scalar=m.ScalarQuantizationConfig(type=m.ScalarType.INT8, quantile=0.99, always_ram=False)
    ),
    "product": m.ProductQuantization(
        product=m.ProductQuantizationConfig(compression=m.CompressionRatio.X16, always_ram=False)
    ),
}


@pytest.mark.parametrize("kind", QUANTIZATIONS)
async def test_collections_are_made_as_configured(
    raw: AsyncQdrantClient, server: QdrantEdge, open_: Open, clock: Clock, kind: str
) -> None:
    store = open_(settings_of(server, quantization=kind))
    entries = [make_point(clock, n, tilted(A, 0.95 - n / 5)) for n in range(4)]
    await store.writer.put(entries)
    await store.matching.eventually(asked(A), entries)
    assert {one.name for one in (await raw.get_collections()).collections} == {EXACT, VECTORS}
    vectors, exact = await raw.get_collection(VECTORS), await raw.get_collection(EXACT)
    assert vectors.config.quantization_config == QUANTIZATIONS[kind]
    assert vectors.config.params.vectors == m.VectorParams(size=128, distance=m.Distance.COSINE)
    assert {name: one.data_type for name, one in vectors.payload_schema.items()} == {
        "askonce_scope": m.PayloadSchemaType.KEYWORD,
        "askonce_expires_at": m.PayloadSchemaType.INTEGER,
    }
    assert exact.config.quantization_config is None
    assert exact.config.hnsw_config.m == 0
    assert exact.config.params.vectors == m.VectorParams(size=1, distance=m.Distance.DOT)
    assert {name: one.data_type for name, one in exact.payload_schema.items()} == {
        "askonce_expires_at": m.PayloadSchemaType.INTEGER
    }


async def test_a_vector_is_kept_without_text_and_answer(store: Opened, raw: AsyncQdrantClient, clock: Clock) -> None:
    entry, endless = make_point(clock, "one", A), make_point(clock, "two", B, ttl=None)
    await store.writer.put([entry, endless])
    points, _ = await raw.scroll(VECTORS)
    expected = [
        {"key": str(one.key), "askonce_scope": one.lookup.scope}
        | ({} if one.expires_at is None else {"askonce_expires_at": int(one.expires_at * 1000)})
        for one in (entry, endless)
    ]
    assert {point.payload["key"]: point.payload for point in points} == {one["key"]: one for one in expected}
    entries, _ = await raw.scroll(EXACT)
    assert {point.id for point in points} == {point.id for point in entries}


async def test_a_reader_makes_no_collection(store: Opened, raw: AsyncQdrantClient) -> None:
    await store.reader.ping()
    assert await store.reader.get([Lookup(make_key("q"))]) == [None]
    assert await store.reader.nearest(asked(A), 5) == []
    assert (await raw.get_collections()).collections == []


async def test_a_writers_ping_makes_the_collection_of_entries(store: Opened, raw: AsyncQdrantClient) -> None:
    for _ in range(2):
        await store.writer.ping()
        assert [one.name for one in (await raw.get_collections()).collections] == [EXACT]


@pytest.mark.parametrize("gone", [[EXACT], [VECTORS], [EXACT, VECTORS]])
async def test_a_collection_deleted_meanwhile_is_made_anew(
    store: Opened, raw: AsyncQdrantClient, clock: Clock, gone: list[str]
) -> None:
    entry = make_point(clock, values=A)
    await store.writer.put([entry])
    for name in gone:
        await raw.delete_collection(name)
    assert await store.reader.nearest(asked(A), 5) == []
    await store.writer.delete([make_key("another")])
    await store.writer.remove([make_point(clock, "a third", A)])
    assert await store.writer.sweep(clock.now) == 0
    await store.writer.put([entry])
    await store.matching.eventually(asked(A), [entry])
    assert set((await raw.get_collection(VECTORS)).payload_schema) == {"askonce_scope", "askonce_expires_at"}


async def test_writers_that_start_together_make_each_collection_once(
    raw: AsyncQdrantClient, server: QdrantEdge, open_: Open, clock: Clock
) -> None:
    stores = [open_(settings_of(server)) for _ in range(4)]
    entries = [make_point(clock, n, tilted(A, 0.9 - n / 5)) for n in range(4)]
    await asyncio.gather(*(one.writer.put([entry]) for one, entry in zip(stores, entries, strict=True)))
    await stores[0].matching.eventually(asked(A), entries)


async def test_indexes_that_a_dying_writer_left_out_are_made(
    store: Opened, raw: AsyncQdrantClient, clock: Clock
) -> None:
    await raw.create_collection(VECTORS, vectors_config=m.VectorParams(size=128, distance=m.Distance.COSINE))
    await store.writer.put([make_point(clock, values=A)])
    assert set((await raw.get_collection(VECTORS)).payload_schema) == {"askonce_scope", "askonce_expires_at"}


@pytest.mark.parametrize(
    ("params", "found"),
    [
        (m.VectorParams(size=3, distance=m.Distance.COSINE), "3 dimensions and distance Cosine"),
        (m.VectorParams(size=128, distance=m.Distance.EUCLID), "128 dimensions and distance Euclid"),
    ],
)
async def test_vectors_never_go_into_a_collection_of_another_kind(
    store: Opened, raw: AsyncQdrantClient, clock: Clock, params: m.VectorParams, found: str
) -> None:
    await raw.create_collection(VECTORS, vectors_config=params)
    entry = make_point(clock, values=A)
    with pytest.raises(StoreRefused, match="128 dimensions and distance Cosine is expected") as raised:
        await store.writer.put([entry])
    assert VECTORS in str(raised.value)
    assert found in str(raised.value)
    assert await store.matching.exact(entry) == [exact_only(entry)], "its exact half is kept"
    assert await count(raw, VECTORS) == 0
    await raw.delete_collection(VECTORS)
    await store.writer.put([entry])
    await store.matching.eventually(asked(A), [entry])


async def test_where_entries_cannot_be_kept_it_is_an_outage(
    store: Opened, raw: AsyncQdrantClient, clock: Clock
) -> None:
    await raw.create_collection(EXACT, vectors_config=m.VectorParams(size=3, distance=m.Distance.COSINE))
    for work in (store.writer.ping(), store.writer.put([make_entry(clock)])):
        with pytest.raises(StoreUnavailable, match="one vector of 3 dimensions and distance Cosine where"):
            await work
    await raw.delete_collection(EXACT)
    await until_works(store, make_entry(clock))


async def test_an_index_touches_nothing_of_others(
    raw: AsyncQdrantClient, server: QdrantEdge, open_: Open, clock: Clock
) -> None:
    ours, other = open_(settings_of(server), "shop"), open_(settings_of(server), "shop-test")
    entry = make_point(clock, values=A)
    foreign = "shop-products-128"
    await raw.create_collection(foreign, vectors_config=m.VectorParams(size=128, distance=m.Distance.COSINE))
    await raw.upsert(foreign, [m.PointStruct(id=1, vector=A.tolist(), payload={"askonce_expires_at": 1})])
    for one in (ours, other):
        await one.writer.put([entry])
    await ours.writer.delete([entry.key])
    await ours.writer.sweep(clock.now)
    await other.matching.eventually(asked(A), [entry])
    assert await ours.reader.nearest(asked(A), 5) == []
    assert await count(raw, foreign) == 1
