"""The s3 store on a real S3 server: the contract, layout and headers, whose answer stays, and what it costs."""

import asyncio
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from askonce.core.errors import StoreRefused, StoreUnavailable
from askonce.stores.s3.bucket import Bucket, Changed
from askonce.stores.s3.client import S3Client
from askonce.stores.s3.objects import S3Reader, S3Writer, object_name
from tests.s3_server import BUCKET, Between, SeaweedFS, error, running
from tests.stores import s3_scene
from tests.stores.contract import Clock, Pair, StoreContract, keys_of, make_entry, make_key
from tests.stores.s3_scene import OpenPair

open_pair = s3_scene.open_pair
PATH = "a/folder"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    with running(tmp_path_factory.mktemp("seaweedfs")) as seaweedfs:
        yield seaweedfs


@pytest.fixture(scope="module")
def raw(server: SeaweedFS) -> Any:
    return server.client()


@pytest.fixture(scope="module")
def shared(server: SeaweedFS) -> Iterator[Pair]:
    """One for all tests that leave it as it is: to make boto3's clients takes longer than most tests."""
    clock = Clock()
    settings = server.settings(PATH)
    pair = Pair(S3Reader(settings, clock), S3Writer(settings, clock), clock, sweeps=False)
    yield pair
    asyncio.run(pair.reader.close())
    asyncio.run(pair.writer.close())


@pytest.fixture
def pair(shared: Pair, raw: Any) -> Pair:
    """Begins with an empty folder, at the real time."""
    if names := listed(raw):
        raw.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": name} for name in names]})
    shared.clock.now = Clock().now
    return shared


def listed(raw: Any) -> list[str]:
    return [one["Key"] for one in raw.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


async def hand_on(_request: web.Request) -> None:
    return None


class TestContract(StoreContract):
    batch = 300  # of which 272 are read or waiting to be: 16 have a thread, 256 wait for one


@pytest.mark.parametrize("namespace", ["..", ".", "...", ":", "a::b", "..:..:x", "team:", "-._"])
async def test_every_namespace_that_a_client_may_choose_can_be_kept(pair: Pair, raw: Any, namespace: str) -> None:
    entry = make_entry(pair.clock, namespace=namespace)
    beside = make_entry(pair.clock, namespace="a:b", payload=b"beside")
    await pair.writer.put([entry, beside])
    assert await pair.get(entry.key, beside.key) == [entry, beside]
    assert set(listed(raw)) == {object_name(PATH, entry.key), object_name(PATH, beside.key)}
    await pair.writer.remove([entry])
    await pair.writer.delete([beside.key])
    assert listed(raw) == []


async def test_objects_have_the_headers_of_litellm(pair: Pair, raw: Any) -> None:
    pair.clock.now = math.floor(pair.clock.now) + 0.25
    entry = make_entry(pair.clock, namespace="team:abc", ttl=600.0)
    pair.clock.advance(100)
    await pair.writer.put([entry])
    (name,) = listed(raw)
    assert name == f"{PATH}/team/abc/{entry.key.digest}"
    held = raw.head_object(Bucket=BUCKET, Key=name)
    assert held["Expires"] == datetime.fromtimestamp(math.ceil(entry.stored_at + 600), UTC), "counted from the answer"
    assert held["CacheControl"] == "immutable, max-age=600, s-maxage=600"
    assert held["ContentType"] == "application/octet-stream"
    assert held["ContentLanguage"] == "en"
    assert held["ContentDisposition"] == f'inline; filename="{entry.key.digest}"'
    assert float(held["Metadata"]["stored-at"]) == entry.stored_at


@pytest.mark.parametrize(("ttl", "seconds"), [(None, 31536000), (0.5, 1), (1e11, 100000000000)])
async def test_the_age_is_whole_seconds(pair: Pair, raw: Any, ttl: float | None, seconds: int) -> None:
    entry = make_entry(pair.clock, ttl=ttl)
    await pair.writer.put([entry])
    held = raw.head_object(Bucket=BUCKET, Key=listed(raw)[0])
    assert held["CacheControl"] == f"immutable, max-age={seconds}, s-maxage={seconds}"
    assert ("Expires" in held) is (ttl is not None)
    assert await pair.get(entry.key) == [entry]


async def test_an_object_of_litellm_is_a_miss_and_can_be_replaced(pair: Pair, raw: Any) -> None:
    entry = make_entry(pair.clock)
    name = object_name(PATH, entry.key)
    body = json.dumps({"timestamp": pair.clock.now, "response": '{"choices": []}'})
    raw.put_object(Bucket=BUCKET, Key=name, Body=body.encode(), ContentType="application/json")
    assert await pair.get(entry.key) == [None]
    await pair.writer.remove([entry])
    assert listed(raw) == [name], "it is not this answer"
    await pair.writer.put([entry])
    assert await pair.get(entry.key) == [entry]


async def test_what_was_moved_or_cut_is_a_miss(pair: Pair, raw: Any) -> None:
    entry, moved, cut = (make_entry(pair.clock, name) for name in ("entry", "moved", "cut"))
    await pair.writer.put([entry])
    body = raw.get_object(Bucket=BUCKET, Key=object_name(PATH, entry.key))["Body"].read()
    raw.put_object(Bucket=BUCKET, Key=object_name(PATH, moved.key), Body=body)
    raw.put_object(Bucket=BUCKET, Key=object_name(PATH, cut.key), Body=body[:-1])
    assert await pair.get(moved.key, cut.key, entry.key) == [None, None, entry]


async def test_between_the_look_and_the_put_another_writer_wins(pair: Pair, server: SeaweedFS) -> None:
    settings = server.settings(PATH)
    bucket = Bucket(settings, S3Client(settings, 5.0, 1))
    entry = make_entry(pair.clock)
    name = object_name(PATH, entry.key)
    for _ in range(2):  # first where nothing is there, then where something is
        before = bucket.look(name)
        entry = replace(entry, stored_at=entry.stored_at + 1)
        await pair.writer.put([entry])
        with pytest.raises(Changed):
            bucket.put(name, b"older", {}, over=before)
    assert before is not None
    with pytest.raises(Changed):
        bucket.delete_held(name, before)
    assert await pair.get(entry.key) == [entry]
    bucket.close()


async def test_of_what_several_writers_put_at_once_the_newest_stays(
    pair: Pair, server: SeaweedFS, open_pair: OpenPair
) -> None:
    writers = [pair.writer, open_pair(server.settings(PATH)).writer]
    entry = make_entry(pair.clock)
    answers = [replace(entry, payload=b"%d" % n, stored_at=entry.stored_at + n) for n in range(8)]
    await asyncio.gather(*(writers[n % 2].put([answers[n * 5 % 8]]) for n in range(8)))
    assert await pair.get(entry.key) == [answers[-1]]


async def test_a_server_without_conditions_and_batches_will_do(
    server: SeaweedFS, pair: Pair, open_pair: OpenPair
) -> None:
    async def older(request: web.Request) -> web.Response | None:
        if {"If-Match", "If-None-Match"} & set(request.headers):
            return error(501, "NotImplemented")
        return error(400, "BadDigest") if request.method == "POST" else None

    async with Between(server, older) as between:
        other = open_pair(server.settings(PATH, endpoint_url=between.url))
        entries = [make_entry(pair.clock, n) for n in range(3)]
        await other.writer.put(entries)
        newer = replace(entries[0], stored_at=entries[0].stored_at + 1)
        await other.writer.put([newer])
        await other.writer.put([entries[0]])
        assert await other.get(*keys_of(entries)) == [newer, *entries[1:]]
        await other.writer.remove([entries[0], entries[1]])
        assert await other.get(*keys_of(entries)) == [newer, None, entries[2]]
        await other.writer.delete([*keys_of(entries), make_key("unknown")])
        assert await other.get(*keys_of(entries)) == [None] * 3
        puts = [method for method, _ in between.asked].count("PUT")
        assert puts <= 3 * 2 + 1, "once it is known, conditions are tried no more"


async def test_a_read_is_one_request_for_each_key(server: SeaweedFS, pair: Pair, open_pair: OpenPair) -> None:
    async with Between(server, hand_on) as between:
        other = open_pair(server.settings(PATH, endpoint_url=between.url))
        entry = make_entry(pair.clock)
        await pair.writer.put([entry])
        absent = make_key("absent")
        assert await other.get(entry.key, absent, entry.key) == [entry, None, entry]
        assert sorted(method for method, _ in between.asked) == ["GET", "GET"]


async def test_a_caller_with_many_keys_leaves_room_for_others(
    server: SeaweedFS, pair: Pair, open_pair: OpenPair
) -> None:
    under_way, most = 0, 0
    full = asyncio.Event()
    single = make_key("a single key")

    async def held_up(request: web.Request) -> None:
        nonlocal under_way, most
        if request.path.endswith(single.digest):
            full.set()
            return
        under_way += 1
        most = max(most, under_way)
        await full.wait()
        await asyncio.sleep(0.001)
        under_way -= 1

    async with Between(server, held_up) as between:
        other = open_pair(server.settings(PATH, endpoint_url=between.url, config={"read_timeout": 20}))
        many = asyncio.create_task(other.get(*(make_key(n) for n in range(100))))
        while under_way < 8:
            await asyncio.sleep(0.001)
        assert await other.get(single) == [None]
        assert await many == [None] * 100
    assert most == 8


async def test_deletions_go_out_by_the_thousand(server: SeaweedFS, pair: Pair, open_pair: OpenPair) -> None:
    async with Between(server, hand_on) as between:
        other = open_pair(server.settings(PATH, endpoint_url=between.url))
        entry = make_entry(pair.clock)
        await pair.writer.put([entry])
        await other.writer.delete([*(make_key(f"unknown {n}") for n in range(1500)), entry.key])
        assert [method for method, _ in between.asked] == ["POST", "POST"]
    assert await pair.get(entry.key) == [None]


async def test_a_flush_of_more_than_a_page_leaves_what_is_not_ours(
    pair: Pair, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askonce.stores.s3.bucket._LISTED_AT_ONCE", 3)
    entries = [make_entry(pair.clock, n, namespace="..:team" if n % 2 else "") for n in range(10)]
    await pair.writer.put([replace(entry, home="") for entry in entries])
    litellms = object_name(PATH, make_key("of LiteLLM"))
    others = [litellms, f"{PATH}/notes.txt", f"{PATH}/{'0' * 63}", f"{PATH}/~/{'0' * 64}", f"{PATH}2/{'0' * 64}"]
    for name in others:
        raw.put_object(Bucket=BUCKET, Key=name, Body=b"{}", ContentType="application/json")
    assert await pair.writer.flush("", pair.clock.now) == 10
    assert sorted(listed(raw)) == sorted(others)


async def test_a_server_that_lists_the_first_page_again_and_again_is_told_of(
    server: SeaweedFS, pair: Pair, open_pair: OpenPair
) -> None:
    async def older(request: web.Request) -> web.Response | None:
        text = '<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>'
        return web.Response(text=text, content_type="application/xml") if "list-type" in request.query else None

    async with Between(server, older) as between:
        other = open_pair(server.settings(PATH, endpoint_url=between.url))
        with pytest.raises(StoreUnavailable, match="ListObjectsV2"):
            await other.writer.flush("", pair.clock.now)


async def test_a_name_that_is_too_long_is_refused_and_concerns_no_other(server: SeaweedFS, open_pair: OpenPair) -> None:
    pair = open_pair(server.settings("p" * 1000))
    entry = make_entry(pair.clock)
    assert await pair.get(entry.key) == [None]
    with pytest.raises(StoreRefused):
        await pair.writer.put([entry])
    await pair.writer.delete([entry.key])
    await pair.writer.remove([entry])
    await pair.writer.ping()


async def test_an_answer_that_is_too_large_is_refused(server: SeaweedFS, open_pair: OpenPair) -> None:
    async def narrow(request: web.Request) -> web.Response | None:
        large = request.method == "PUT" and int(request.headers["Content-Length"]) > 2000
        return error(400, "EntityTooLarge") if large else None

    async with Between(server, narrow) as between:
        pair = open_pair(server.settings("narrow", endpoint_url=between.url))
        small, large = make_entry(pair.clock), make_entry(pair.clock, "large", payload=b"x" * 2000)
        with pytest.raises(StoreRefused, match="EntityTooLarge"):
            await pair.writer.put([large])
        await pair.writer.put([small])
        assert await pair.get(small.key, large.key) == [small, None]


def test_the_documented_rule_for_the_life_of_objects_is_taken(raw: Any) -> None:
    rule = {"ID": "askonce", "Filter": {"Prefix": "llm/"}, "Status": "Enabled", "Expiration": {"Days": 30}}
    raw.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    (kept,) = raw.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    raw.delete_bucket_lifecycle(Bucket=BUCKET)
    assert kept["Expiration"] == {"Days": 30}
    assert kept["Filter"] == {"Prefix": "llm/"}
    assert kept["Status"] == "Enabled"
