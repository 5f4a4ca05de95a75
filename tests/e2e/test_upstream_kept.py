"""Of what providers answer, only whole answers are kept; everything is served."""

import asyncio

import orjson
import pytest
from aiohttp import web

from askonce.core.sse import frame
from tests.e2e import upstreams
from tests.e2e.asking import Client, body
from tests.e2e.stack import eventually
from tests.e2e.upstreams import CHUNK, LAST, SAID, Scene, entry, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("begun", [False, True], ids=["before the answer began", "in the middle of it"])
async def test_an_answer_whose_client_has_gone_is_kept_all_the_same(
    scene: Scene, caplog: pytest.LogCaptureFixture, stream: bool, begun: bool
) -> None:
    go_on, here = asyncio.Event(), asyncio.Event()
    whole = frame(orjson.dumps(CHUNK)) + frame(orjson.dumps(LAST)) + frame(b"[DONE]") if stream else orjson.dumps(SAID)

    async def slow(request: web.Request) -> web.StreamResponse:
        kind = "text/event-stream" if stream else "application/json"
        response = web.StreamResponse(headers={"Content-Type": kind})
        if begun:
            await response.prepare(request)
            await response.write(whole[:20])
        here.set()
        await go_on.wait()
        await response.prepare(request)
        await response.write(whole[20:] if begun else whole)
        return response

    async with provider(slow) as (script, base), scene.proxy(entry("m", "openai/m", base)) as client:
        host, _, port = client.url.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        data = orjson.dumps(body("completion", f"gone {stream} {begun}", model="m", stream=stream))
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        async with asyncio.timeout(10):
            await here.wait()
        writer.transport.abort()
        go_on.set()

        async def kept() -> bool:
            return await client.hits("completion", f"gone {stream} {begun}", model="m", stream=stream)

        assert await eventually(kept)
        assert len(script.seen) == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


NOT_KEPT = {
    ("toy-empty", False): "empty",
    ("toy-empty", True): None,
    ("toy-malformed", False): "malformed",
    ("toy-malformed", True): None,
    ("toy-truncated", True): None,
    ("toy-stream-error", True): None,
}


@pytest.mark.parametrize(("model", "stream"), NOT_KEPT)
async def test_what_is_not_a_whole_answer_is_served_as_it_came_and_not_kept(
    scene: Scene, model: str, stream: bool
) -> None:
    asked = scene.asked
    answers = [await scene.client.chat("not whole", model=model, stream=stream) for _ in range(2)]
    assert scene.asked == asked + 2
    directly = Client(scene.client.session, scene.base.removesuffix("/v1"))
    counting = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    as_it_came = await directly.chat("not whole", model=model, **counting)
    usage = sum(len(frame(event)) for event in as_it_came.events if b'"choices":[],' in event) if stream else 0
    for answer in answers:
        assert (answer.status, answer.hit) == (200, False)
        assert len(answer.body) == len(as_it_came.body) - usage, "the same but for its id, and what was not asked for"
        detail = NOT_KEPT[model, stream]
        assert answer.cache.get("detail") == detail
        assert answer.stored == stream, "of a stream it is only known what is meant to be kept"


async def test_a_stream_without_usage_serves_streams_only(scene: Scene) -> None:
    asked = scene.asked
    first = await scene.client.chat("uncounted", model="toy-no-usage", stream=True)
    again = await scene.client.chat("uncounted", model="toy-no-usage", stream=True)
    assert again.hit
    assert again.body == first.body, "to the byte"
    counted = await scene.client.chat(
        "uncounted", model="toy-no-usage", stream=True, stream_options={"include_usage": True}
    )
    assert counted.hit
    assert scene.asked == asked + 1
    plain = await scene.client.chat("uncounted", model="toy-no-usage")
    assert not plain.hit
    assert (await scene.client.chat("uncounted", model="toy-no-usage")).hit
    assert (await scene.client.chat("uncounted", model="toy-no-usage", stream=True)).hit
    assert scene.asked == asked + 2


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_an_answer_too_large_is_served_whole_and_not_kept(scene: Scene, stream: bool) -> None:
    asked = scene.asked
    for _ in range(2):
        answer = await scene.client.chat("huge", model="toy-huge", stream=stream)
        assert not answer.hit
        assert len(answer.body) > 2 << 20
        said = (
            "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in answer.chunks)
            if stream
            else answer.json["choices"][0]["message"]["content"]
        )
        assert len(said) == 32 * 3121 * 21
    assert scene.asked == asked + 2


async def test_an_error_with_status_200_is_not_kept(scene: Scene) -> None:
    async def odd(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no", "type": "t", "param": None, "code": None}})

    async with provider(odd) as (script, base), scene.proxy(entry("m", "openai/m", base)) as client:
        for _ in range(2):
            answer = await client.chat("an error inside", model="m")
            assert (answer.status, answer.cache["detail"], answer.error["message"]) == (200, "malformed", "no")
        assert len(script.seen) == 2


async def test_an_error_for_the_missing_items_is_the_answer(scene: Scene) -> None:
    await scene.client.ask("embedding", "kept")
    answer = await scene.client.ask("embedding", "", input=["kept", ""])
    assert answer.status == 400
    assert "none of them empty" in answer.error["message"]
    assert answer.cache["fwd"] == "partial"
    whole = await scene.client.ask("embedding", "", input=["kept", "new"])
    assert whole.cache["fwd"] == "partial"
    assert scene.last_body()["input"] == ["new"]
    assert [item["index"] for item in whole.json["data"]] == [0, 1]
    assert whole.json["usage"] == {"prompt_tokens": 2, "total_tokens": 2}
    assert (await scene.client.ask("embedding", "", input=["new", "kept"])).hit


async def test_an_answer_that_does_not_fit_the_missing_items_is_502(scene: Scene) -> None:
    async def short(request: web.Request) -> web.StreamResponse:
        items = orjson.loads(await request.read())["input"]
        items = items if isinstance(items, list) else [items]
        data = [{"object": "embedding", "index": 0, "embedding": [0.5]}] if "odd" not in items else []
        return web.json_response({"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 1}})

    async with provider(short) as (_, base), scene.proxy(entry("m", "openai/m", base)) as client:
        assert (await client.ask("embedding", "even", model="m")).stored
        answer = await client.ask("embedding", "", model="m", input=["even", "odd"])
        assert (answer.status, answer.error["type"]) == (502, "upstream_error")
        assert (await client.ask("embedding", "odd", model="m")).json["data"] == []
