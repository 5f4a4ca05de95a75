"""What is answered in part, said in several lines, or deleted while it is on its way."""

import asyncio
from typing import Any

import orjson
import pytest
from aiohttp import web

from tests.e2e import upstreams
from tests.e2e.asking import Answer, Client
from tests.e2e.upstreams import SAID, Scene, entry, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "said"}], "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip
HELLO = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}


async def vectors(request: web.Request) -> web.Response:
    items = orjson.loads(await request.read())["input"]
    data = [
        {"object": "embedding", "index": n, "embedding": [float(len(text))] * (1 if len(text) < 5 else 50_000)}
        for n, text in enumerate(items)
    ]
    usage = {"prompt_tokens": len(items), "total_tokens": len(items)}
    return web.Response(
        body=orjson.dumps({"object": "list", "model": "m", "data": data, "usage": usage}),
        content_type="application/json",
    )


async def embed(client: Client, *texts: str, **cache: Any) -> Answer:
    return await client.send("POST", "/v1/embeddings", json={"model": "m", "input": list(texts), "cache": cache})


@pytest.mark.parametrize("cache", [{"no-store": True}, {"ttl": 0}, {}], ids=["no-store", "ttl 0", "too large to keep"])
async def test_a_part_that_is_not_kept_leaves_the_found_ones_in_the_answer(scene: Scene, cache: dict[str, Any]) -> None:
    fresh = "bb" if cache else "larger"
    async with provider(vectors) as (_, base):
        more = "askonce: {max_entry_bytes: 100000}\n"
        async with scene.proxy(entry("m", "openai/m", base), more) as client:
            await embed(client, "a")
            answer = await embed(client, "a", fresh, **cache)
            assert (answer.status, answer.cache["fwd"]) == (200, "partial")
            assert [item["index"] for item in answer.json["data"]] == [0, 1]
            assert [item["embedding"][0] for item in answer.json["data"]] == [1.0, float(len(fresh))]
            assert answer.json["usage"]["prompt_tokens"] == 2


async def test_lines_of_one_header_count_together(scene: Scene) -> None:
    async def say(_request: web.Request) -> web.Response:
        return web.json_response(MESSAGE)

    async with provider(say) as (script, base), scene.proxy(entry("m", "openai/m", base)) as client:

        async def ask(*beta: str) -> Answer:
            lines = [("anthropic-beta", line) for line in beta]
            return await client.send("POST", "/v1/messages", json=HELLO, headers=lines)

        assert not (await ask("one", "two")).hit
        assert script.seen[-1][1]["anthropic-beta"] == "one, two"
        assert not (await ask("one")).hit
        assert not (await ask("two")).hit
        assert (await ask("one, two")).hit


@pytest.mark.parametrize("how", ["delete", "flushall"])
async def test_nobody_joins_an_answer_that_was_deleted_on_its_way(scene: Scene, how: str) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        first = not asked.is_set()
        asked.set()
        if first:
            await go_on.wait()
        return web.json_response({**SAID, "id": "old" if first else "new"})

    async with provider(slow) as (_, base), scene.proxy(entry("m", "openai/m", base)) as client:
        leader = asyncio.create_task(client.chat(how, model="m"))
        await asked.wait()
        key = (await client.chat(how, model="m", header_cache_control="only-if-cached, no-store")).cache
        assert key == {"detail": "refused"}
        hidden = asyncio.create_task(client.chat(how, model="m", cache={"no-store": True}))
        name = str((await hidden).key)
        body = {"keys": [name]} if how == "delete" else {}
        assert (await client.send("POST", f"/cache/{how}", json=body)).status == 200
        after = await client.chat(how, model="m")
        assert (after.json["id"], "collapsed" in after.cache) == ("new", False)
        go_on.set()
        old = await leader
        assert (old.json["id"], old.stored, old.cache["detail"]) == ("old", False, "deleted")
        assert (await client.chat(how, model="m")).json["id"] == "new"


async def test_a_stream_that_was_not_asked_for_is_not_kept_where_it_could_not_be_served(scene: Scene) -> None:
    events = b'data: {"type":"speech.audio.delta","audio":"AAAA"}\n\ndata: {"type":"speech.audio.done"}\n\n'

    async def say(_request: web.Request) -> web.Response:
        return web.Response(body=events, content_type="text/event-stream")

    async with provider(say) as (_, base), scene.proxy(entry("m", "openai/m", base)) as client:
        for _ in range(2):
            body = {"model": "m", "input": "aloud", "voice": "v", "stream": True}
            answer = await client.send("POST", "/v1/audio/speech", json=body)
            assert (answer.body, answer.hit) == (events, False)
