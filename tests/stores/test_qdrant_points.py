"""The points of the qdrant-semantic store: what stays of them, what is found, and in how many requests."""

import asyncio
from dataclasses import replace

import pytest
from qdrant_client import AsyncQdrantClient
from qdrant_client import models as m

from askonce.core.errors import StoreRefused
from askonce.stores.qdrant import points as module
from tests.qdrant_server import QdrantEdge
from tests.stores import qdrant_scene as scene
from tests.stores.contract import Clock, make_entry, make_key
from tests.stores.points import A, B, asked, direction, exact_only, make_point, refreshed, tilted
from tests.stores.qdrant_scene import EXACT, VECTORS, Open, Opened, count, requests_of, settings_of

server = scene.server
empty = scene.empty
raw = scene.raw
open_ = scene.open_
store = scene.store


# -- what is in them ---------------------------------------------------------------------------------------------------


async def test_repeats_and_refreshes_add_no_point(store: Opened, raw: AsyncQdrantClient, clock: Clock) -> None:
    entries = [make_point(clock, n, direction(n)) for n in range(20)]
    for seconds in (0.0, 0.0, 1.0, 2.0):
        await store.writer.put([refreshed(entry, seconds) for entry in entries])
        assert (await count(raw, EXACT), await count(raw, VECTORS)) == (20, 20)


async def test_what_has_expired_is_not_given_before_the_sweep_and_gone_after_it(
    store: Opened, raw: AsyncQdrantClient, clock: Clock
) -> None:
    short = [make_point(clock, n, tilted(A, 0.9, n), ttl=10.0) for n in range(5)]
    elsewhere = [make_point(clock, f"another model {n}", A, space="other", ttl=10.0) for n in range(2)]
    plain = [replace(make_entry(clock, "plain"), ttl=10.0)]
    stay = [make_point(clock, "long", tilted(A, 0.5)), make_point(clock, "endless", B, ttl=None)]
    await store.writer.put([*short, *elsewhere, *plain, *stay])
    clock.advance(10.0)
    await store.matching.eventually(asked(A), stay)
    counts = {EXACT: 10, VECTORS: 7, "an index-other-128": 2}
    assert {name: await count(raw, name) for name in counts} == counts
    assert await store.matching.exact(*short, *plain) == [None] * 6
    assert await store.writer.sweep(clock.now) == 8
    assert {name: await count(raw, name) for name in counts} == {EXACT: 2, VECTORS: 2, "an index-other-128": 0}
    await store.matching.eventually(asked(A), stay)


async def test_a_sweep_of_more_than_a_page(
    store: Opened, raw: AsyncQdrantClient, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askonce.stores.qdrant.writer._AT_ONCE", 7)
    entries = [make_point(clock, n, direction(n), ttl=10.0) for n in range(20)]
    await store.writer.put(entries)
    clock.advance(10.0)
    assert await store.writer.sweep(clock.now) == 20
    assert (await count(raw, EXACT), await count(raw, VECTORS)) == (0, 0)


async def test_a_flush_of_more_than_a_page_takes_vectors_too_and_nothing_of_another_collection(
    store: Opened,
    raw: AsyncQdrantClient,
    open_: Open,
    server: QdrantEdge,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("askonce.stores.qdrant.writer._AT_ONCE", 7)
    other = open_(settings_of(server), "an index of others")
    entries = [make_point(clock, n, direction(n), namespace="team") for n in range(20)]
    elsewhere = [make_point(clock, f"another model {n}", A, space="other", namespace="team") for n in range(2)]
    stay = [make_point(clock, f"stays {n}", direction(n)) for n in range(20)]
    for each in (store, other):
        await each.writer.put([*entries, *elsewhere, *stay])
    await raw.upsert(EXACT, [m.PointStruct(id=1, vector=[1.0], payload={"key": "team:?", "stored_at": "1.0"})])
    assert await store.writer.flush("team", clock.now) == 22
    counts = {EXACT: 21, VECTORS: 20, "an index-other-128": 0, "an index of others-exact": 42}
    assert {name: await count(raw, name) for name in counts} == counts
    assert await store.matching.exact(*stay) == list(map(exact_only, stay))
    assert await other.matching.exact(*entries) == list(map(exact_only, entries))


async def test_an_answer_that_comes_again_without_a_vector_keeps_the_one_it_has(store: Opened, clock: Clock) -> None:
    entry = make_point(clock, values=A)
    await store.writer.put([entry])
    again = exact_only(refreshed(entry))
    await store.writer.put([again])
    await store.matching.eventually(asked(A), [again])


async def test_a_vector_does_not_outlive_its_entry_when_the_later_answer_has_an_earlier_end(
    store: Opened, raw: AsyncQdrantClient, clock: Clock
) -> None:
    entry = make_point(clock, values=A, ttl=None)
    await store.writer.put([entry])
    await store.writer.put([replace(exact_only(refreshed(entry)), ttl=10.0)])
    clock.advance(20.0)
    assert await store.writer.sweep(clock.now) == 1
    assert (await count(raw, EXACT), await count(raw, VECTORS)) == (0, 0)


async def test_removing_takes_a_vector_whose_entry_was_deleted_between_the_two_writes_of_a_put(
    store: Opened, raw: AsyncQdrantClient, clock: Clock
) -> None:
    entry, stays = make_point(clock, values=A, ttl=None), make_point(clock, "stays", B)
    await store.writer.put([entry, stays])
    records, _ = await raw.scroll(EXACT)
    (gone,) = [record.id for record in records if record.payload["key"] == str(entry.key)]
    await raw.delete(EXACT, [gone])
    await store.writer.remove([entry])
    assert (await count(raw, EXACT), await count(raw, VECTORS)) == (1, 1)
    await store.matching.eventually(asked(B), [stays])


@pytest.mark.parametrize("vector_first", [True, False])
async def test_of_the_same_answer_with_and_without_a_vector_in_a_batch_the_vector_is_kept(
    store: Opened, clock: Clock, vector_first: bool
) -> None:
    entry = make_point(clock, values=A)
    batch = [entry, exact_only(entry)]
    await store.writer.put(batch if vector_first else batch[::-1])
    await store.matching.eventually(asked(A), [entry])


async def test_what_is_not_ours_is_a_miss_and_can_be_replaced(
    store: Opened, raw: AsyncQdrantClient, clock: Clock
) -> None:
    entries = [make_point(clock, n, tilted(A, 0.9 - n / 10)) for n in range(3)]
    await store.writer.put(entries)
    records, _ = await raw.scroll(EXACT)
    of_key = {record.payload["key"]: record for record in records}
    junk = [{}, {"entry": "?!", "stored_at": "long ago"}, of_key[str(entries[0].key)].payload]
    await raw.upsert(
        EXACT,
        [
            m.PointStruct(id=of_key[str(entry.key)].id, vector=[1.0], payload=payload)
            for entry, payload in zip(entries, junk, strict=True)
        ],
    )
    assert await store.matching.exact(*entries) == [None, None, None]
    assert await store.reader.nearest(asked(A), 5) == []
    await store.writer.put([replace(entry, stored_at=entry.stored_at + 1) for entry in entries])
    assert len(await store.reader.nearest(asked(A), 5)) == 3


async def test_a_vector_whose_key_is_unreadable_is_passed_over(
    store: Opened, raw: AsyncQdrantClient, clock: Clock
) -> None:
    entry = make_point(clock, values=tilted(A, 0.5))
    await store.writer.put([entry])
    scope = {"askonce_scope": entry.lookup.scope}
    payloads = [scope, scope | {"key": 7}, scope | {"key": "no key"}, scope | {"key": str(make_key("absent"))}]
    await raw.upsert(
        VECTORS, [m.PointStruct(id=n, vector=A.tolist(), payload=payload) for n, payload in enumerate(payloads)]
    )
    await store.matching.eventually(asked(A), [entry])


async def test_no_question_is_more_alike_than_the_same(store: Opened, clock: Clock) -> None:
    entries = [make_point(clock, n, direction(n), scope=n) for n in range(50)]
    await store.writer.put(entries)
    for n in range(50):
        (found,) = await store.reader.nearest(asked(direction(n), scope=n), 1)
        assert found.similarity is not None
        assert 0.99 < found.similarity <= 1.0


# -- requests ----------------------------------------------------------------------------------------------------------


async def test_gets_of_one_turn_are_one_round_trip(store: Opened, clock: Clock) -> None:
    entries = [make_entry(clock, n) for n in range(50)]
    await store.writer.put(entries)
    sent = requests_of(store)
    answers = await asyncio.gather(*(store.pair.get(entry.key) for entry in entries))
    assert [one for (one,) in answers] == entries
    assert sent == [f"POST /collections/{EXACT}/points"]


async def test_what_is_nearest_takes_two_round_trips_and_one_where_nothing_is(store: Opened, clock: Clock) -> None:
    entries = [make_point(clock, n, tilted(A, 0.9, n)) for n in range(5)]
    await store.writer.put(entries)
    sent = requests_of(store)
    assert len(await store.reader.nearest(asked(A), 4)) == 4
    assert sent == [f"POST /collections/{VECTORS}/points/query", f"POST /collections/{EXACT}/points"]
    sent.clear()
    assert await store.reader.nearest(asked(A, scope="of nobody"), 4) == []
    assert sent == [f"POST /collections/{VECTORS}/points/query"]


async def test_a_batch_is_one_look_and_one_request_for_each_collection(store: Opened, clock: Clock) -> None:
    await store.writer.put([make_point(clock, "first", A)])
    sent = requests_of(store)
    await store.writer.put([make_point(clock, n, direction(n)) for n in range(100)])
    assert sent == [
        f"POST /collections/{EXACT}/points",
        f"PUT /collections/{EXACT}/points",
        f"PUT /collections/{VECTORS}/points",
    ]


async def test_a_batch_larger_than_a_request_is_split(store: Opened, clock: Clock) -> None:
    entries = [make_entry(clock, n, payload=b"%d" % n * (3 << 20)) for n in range(10)]
    await store.writer.ping()
    sent = requests_of(store)
    await store.writer.put(entries)
    assert sent.count(f"PUT /collections/{EXACT}/points") == 10
    for entry in entries:
        assert await store.pair.get(entry.key) == [entry]


async def test_points_share_requests_up_to_a_size_and_a_number(clock: Clock) -> None:
    def batches(sizes: list[int]) -> list[int]:
        points = [module.exact_point("p", make_entry(clock, n, payload=b"x" * size)) for n, size in enumerate(sizes)]
        assert all(len(one.model_dump_json()) <= module.size(one) for one in points)
        return [len(batch) for batch in module.by_size(points)]

    assert batches([]) == []
    assert batches([10] * 600) == [256, 256, 88]
    assert batches([1 << 20] * 12) == [5, 5, 2]
    assert batches([9 << 20, 10, 10, 9 << 20]) == [1, 2, 1]


async def test_an_entry_larger_than_a_request_can_be_is_refused(
    store: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = make_entry(clock, payload=bytes(26 << 20))
    with pytest.raises(StoreRefused, match="larger than a request can be"):
        await store.writer.put([entry])
    monkeypatch.setattr("askonce.stores.qdrant.writer.LARGEST", 1 << 30)
    with pytest.raises(StoreRefused, match="it turns the request down"):
        await store.writer.put([entry])


async def test_a_vector_that_is_none_is_refused_and_its_entry_kept(store: Opened, clock: Clock) -> None:
    entry = make_point(clock, values=A * float("nan"))
    with pytest.raises(StoreRefused, match="HTTP 400"):
        await store.writer.put([entry])
    assert await store.matching.exact(entry) == [exact_only(entry)]
