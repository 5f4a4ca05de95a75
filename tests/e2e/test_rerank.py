"""Reranking through the whole read path: kept like any other answer, on each of its addresses."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson
import pytest
from aiohttp import web

from tests.e2e import upstreams
from tests.e2e.asking import Answer, Client
from tests.e2e.solo import solo
from tests.e2e.upstreams import EVERYTHING, Scene, entry, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene

PATHS = ("/v1/rerank", "/rerank", "/v2/rerank")
ASKED: dict[str, Any] = {
    "model": "toy",
    "query": "who keeps the answer",
    "documents": ["nobody", "the cache keeps the answer", "who knows", {"text": "keeps", "title": "the answer"}],
}


async def rerank(
    client: Client,
    query: str = ASKED["query"],
    path: str = PATHS[0],
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Answer:
    return await client.send("POST", path, json={**ASKED, "query": query, **more}, headers=headers or {})


def ranking(answer: Answer) -> list[tuple[int, float]]:
    return [(one["index"], one["relevance_score"]) for one in answer.json["results"]]


async def test_a_ranking_is_asked_once_whatever_its_address(scene: Scene) -> None:
    asked = scene.asked
    first = await rerank(scene.client)
    assert (first.status, first.hit, first.stored) == (200, False, True)
    assert "x-request-id" in first.headers
    assert ranking(first) == [(1, 0.75), (3, 0.75), (2, 0.25), (0, 0.0)]
    assert first.json["usage"] == {"prompt_tokens": 15, "total_tokens": 15}
    for path in PATHS:
        again = await rerank(scene.client, path=path)
        assert again.hit
        assert again.body == first.body
        assert again.headers["Content-Type"] == "application/json"
    assert scene.asked == asked + 1
    assert scene.toy.seen[-1].path == "/v1/rerank"
    assert scene.last_body() == ASKED


async def test_each_address_asks_the_providers_one(scene: Scene) -> None:
    for path in PATHS:
        answer = await rerank(scene.client, f"at {path}", path)
        assert (answer.status, answer.stored) == (200, True)
        assert scene.toy.seen[-1].path == "/v1/rerank"


async def test_every_member_makes_another_question(scene: Scene) -> None:
    bodies: list[dict[str, Any]] = [
        {"top_n": 2},
        {"top_n": 3},
        {"return_documents": True},
        {"return_documents": False},
        {"rank_fields": ["title"]},
        {"max_chunks_per_doc": 10},
        {"documents": ["one", "two"]},
        {"documents": ["two", "one"]},
        {"model": "toy-other"},
        {"unheard_of": 1},
    ]
    asked = scene.asked
    answers = [await rerank(scene.client, "by members", **body) for body in bodies]
    assert scene.asked == asked + len(bodies)
    assert len({answer.key for answer in answers}) == len(bodies)
    assert [len(answer.json["results"]) for answer in answers[:3]] == [2, 3, 4]
    assert "document" in answers[2].json["results"][0]
    assert "document" not in answers[3].json["results"][0]
    for body, answer in zip(bodies, answers, strict=True):
        again = await rerank(scene.client, "by members", **body)
        assert (again.hit, again.body) == (True, answer.body)
    nulls = await rerank(scene.client, "by members", top_n=2, return_documents=None)
    assert nulls.hit, "null says nothing"


@pytest.mark.parametrize(
    "said",
    [{"cache": {"no-cache": True}}, {"headers": {"Cache-Control": "no-cache"}}],
    ids=["in the body", "in the header"],
)
async def test_no_cache_asks_anew_and_never_reaches_the_provider(scene: Scene, said: dict[str, Any]) -> None:
    query = f"anew {sorted(said)}"
    await rerank(scene.client, query)
    asked = scene.asked
    fresh = await rerank(scene.client, query, **said)
    assert (fresh.hit, fresh.stored, fresh.cache["detail"]) == (False, True, "no-cache")
    assert scene.asked == asked + 1
    assert scene.last_body() == {**ASKED, "query": query}
    assert "cache-control" not in scene.toy.seen[-1].headers
    again = await rerank(scene.client, query)
    assert (again.hit, again.json["id"]) == (True, fresh.json["id"])


@pytest.mark.parametrize(
    "said",
    [{"cache": {"no-store": True}}, {"headers": {"Cache-Control": "no-store"}}],
    ids=["in the body", "in the header"],
)
async def test_no_store_keeps_nothing(scene: Scene, said: dict[str, Any]) -> None:
    query = f"not kept {sorted(said)}"
    first = await rerank(scene.client, query, **said)
    assert (first.stored, first.cache["detail"]) == (False, "no-store")
    missing = await rerank(scene.client, query, headers={"Cache-Control": "only-if-cached"})
    assert missing.status == 504
    assert (await rerank(scene.client, query)).stored


async def test_lives_ages_and_namespaces(scene: Scene) -> None:
    kept = await rerank(scene.client, "lives", cache={"ttl": 60})
    assert kept.cache["ttl"] == 60
    assert not (await rerank(scene.client, "lives", cache={"s-maxage": 0})).hit
    assert (await rerank(scene.client, "lives", headers={"Cache-Control": "max-age=60"})).hit
    apart = await rerank(scene.client, "lives", cache={"namespace": "team"})
    assert (apart.hit, apart.key.namespace) == (False, "team")
    assert (await rerank(scene.client, "lives", headers={"Cache-Control": "namespace=team"})).hit
    wrong = await rerank(scene.client, "lives", cache={"ttl": -1})
    assert (wrong.status, wrong.error["param"]) == (400, "cache.ttl")


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"model": None}, "model"),
        ({"query": None}, "query"),
        ({"query": ["who"]}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": "the cache"}, "documents"),
    ],
)
async def test_bad_input_names_the_field_and_asks_nobody(scene: Scene, more: dict[str, Any], param: str) -> None:
    asked = scene.asked
    answer = await scene.client.send("POST", PATHS[0], json={**ASKED, **more})
    assert (answer.status, answer.error["param"]) == (400, param)
    assert scene.asked == asked


@pytest.mark.parametrize(
    ("model", "status", "detail"),
    [
        ("toy-error-429", 429, "status"),
        ("toy-error-503", 503, "status"),
        ("toy-empty", 200, "empty"),
        ("toy-malformed", 200, "malformed"),
        ("toy-huge", 200, "too-large"),
        ("toy-broken-stream", 502, None),
    ],
)
async def test_what_is_no_ranking_is_served_as_it_is_and_not_kept(
    scene: Scene, model: str, status: int, detail: str | None
) -> None:
    asked = scene.asked
    for _ in range(2):
        answer = await rerank(scene.client, "not a ranking", model=model)
        assert (answer.status, answer.stored, answer.cache.get("detail")) == (status, False, detail)
    assert scene.asked == asked + 2


async def test_those_who_ask_at_once_share_one_answer(scene: Scene) -> None:
    come, go_on = asyncio.Event(), asyncio.Event()
    told = {"results": [{"index": 0, "relevance_score": 0.5}], "meta": {"billed_units": {"search_units": 1}}}

    async def slow(_request: web.Request) -> web.StreamResponse:
        come.set()
        await go_on.wait()
        return web.json_response(told)

    async with provider(slow) as (script, base), scene.proxy(entry("m", "openai/m", base)) as client:
        asking = [asyncio.create_task(rerank(client, "at once", path, model="m")) for path in PATHS]
        async with asyncio.timeout(20):
            await come.wait()
        go_on.set()
        answers = await asyncio.gather(*asking)
        assert all(answer.json == told for answer in answers)
        assert [path for path, _, _ in script.seen] == ["/v1/rerank"]
        _, headers, body = script.seen[0]
        assert headers["authorization"] == "Bearer sk-proxy"
        assert orjson.loads(body)["model"] == "m"


async def test_only_the_call_types_that_the_config_names_are_cached(scene: Scene) -> None:
    def supporting(name: str) -> AbstractAsyncContextManager[Client]:
        params = f"{{type: local, supported_call_types: [{name}]}}"
        text = f"model_list:\n{EVERYTHING}\nlitellm_settings: {{cache: true, cache_params: {params}}}\n"
        return solo(scene.folder, text.replace("{base}", scene.base), scene.nats)

    async with supporting("arerank") as client:
        assert (await rerank(client, "supported")).stored
        assert (await rerank(client, "supported")).hit
        chat = [await client.chat("not supported") for _ in range(2)]
        assert [answer.cache["detail"] for answer in chat] == ["call-type-off"] * 2
    async with supporting("acompletion") as client:
        answers = [await rerank(client, "supported") for _ in range(2)]
        assert [answer.cache["detail"] for answer in answers] == ["call-type-off"] * 2
