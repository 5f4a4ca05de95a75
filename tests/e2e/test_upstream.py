"""What providers do: errors pass, what is broken breaks, and only whole answers are kept."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from askonce.core.sse import frame
from tests.e2e.asking import CALL_TYPES, Client, body, raw
from tests.e2e.stack import eventually
from tests.e2e.upstreams import CHUNK, LAST, SAID, Scene, entry, provider, scene_in
from tests.servers import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene_in(tmp_path_factory.mktemp("upstream")) as scene:
        yield scene


# -- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503, 529])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_errors_pass_as_they_are_and_are_never_kept(scene: Scene, status: int, stream: bool) -> None:
    asked = scene.asked
    for _ in range(2):
        answer = await scene.client.chat("failing", model=f"toy-error-{status}", stream=stream)
        assert answer.status == status
        assert answer.error["code"] == f"toy-error-{status}"
        assert answer.error["message"] == "The toy was asked to fail."
        assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)
        assert answer.cache["fwd"] == "miss"
        assert not answer.stored
        assert "x-request-id" in answer.headers
        assert "Set-Cookie" not in answer.headers
    assert scene.asked == asked + 2


@pytest.mark.parametrize("call_type", CALL_TYPES)
async def test_errors_of_every_route_pass(scene: Scene, call_type: str) -> None:
    for _ in range(2):
        answer = await scene.client.ask(call_type, "failing", model="toy-error-503")
        assert (answer.status, answer.error["code"]) == (503, "toy-error-503")


async def test_a_provider_that_cannot_be_reached_is_502(scene: Scene) -> None:
    async with scene.proxy(entry("toy", "openai/toy", f"http://127.0.0.1:{free_port()}/v1")) as client:
        for stream in (False, True):
            answer = await client.chat("nobody there", stream=stream)
            assert answer.status == 502
            assert answer.error["type"] == "upstream_error"
            assert not answer.stored
            assert not answer.hit


@pytest.mark.parametrize(
    ("params", "more", "asked"),
    [
        ("api_key: k, timeout: 0.1", "", {}),
        ("api_key: k, timeout: 600, stream_timeout: 0.1", "", {"stream": True}),
        ("api_key: k", "askonce: {upstream_timeout: 0.1}", {}),
        ("api_key: k", "", {"timeout": 0.1}),
    ],
    ids=["of the deployment", "of its streams", "of the proxy", "of the client"],
)
async def test_a_provider_that_takes_too_long_is_504(
    scene: Scene, params: str, more: str, asked: dict[str, Any]
) -> None:
    async with scene.proxy(entry("toy-slow", "openai/toy-slow", "{base}", params), more) as client:
        answer = await client.chat("too long", model="toy-slow", **asked)
    assert answer.status == 504
    assert answer.error["type"] == "upstream_error"
    assert "timeout" not in scene.last_body()


async def test_a_stream_that_takes_too_long_breaks_the_clients(scene: Scene) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"choices":[]}\n\n')
        await asyncio.sleep(30)
        return response

    async with provider(endless) as (_, base), scene.proxy(entry("m", "openai/m", base, "timeout: 0.3")) as client:
        with pytest.raises(aiohttp.ClientPayloadError):
            await client.chat("endless", model="m", stream=True)


# -- answers that are not whole ------------------------------------------------------------------------------------


async def test_an_answer_that_breaks_off_is_502_and_a_stream_breaks_the_clients(scene: Scene) -> None:
    for _ in range(2):
        asked = scene.asked
        answer = await scene.client.chat("broken", model="toy-broken-stream")
        assert answer.status == 502
        assert answer.error["type"] == "upstream_error"
        with pytest.raises(aiohttp.ClientPayloadError):
            await scene.client.chat("broken", model="toy-broken-stream", stream=True)
        assert scene.asked == asked + 2, "never kept"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_broken_stream_never_ends_cleanly_in_any_version(scene: Scene, version: str) -> None:
    data = orjson.dumps(body("completion", f"broken {version}", model="toy-broken-stream", stream=True))
    head = f"POST /v1/chat/completions HTTP/{version}\r\nHost: a\r\nContent-Length: {len(data)}\r\n\r\n"
    if version == "1.0":
        with pytest.raises(ConnectionResetError):
            await raw(scene.client.url, head.encode() + data)
    else:
        received = await raw(scene.client.url, head.encode() + data)
        assert b"data: " in received
        assert not received.endswith(b"0\r\n\r\n")


async def test_a_stream_that_broke_after_a_joiner_breaks_both(scene: Scene) -> None:
    answers = await asyncio.gather(
        *(scene.client.chat("broken for two", model="toy-broken-stream", stream=True) for _ in range(2)),
        return_exceptions=True,
    )
    assert all(isinstance(answer, aiohttp.ClientPayloadError) for answer in answers)


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


async def test_redirects_are_passed_on_and_not_followed(scene: Scene) -> None:
    async def away(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/elsewhere"})

    async with provider(away) as (script, base), scene.proxy(entry("m", "openai/m", base)) as client:
        for _ in range(2):
            answer = await client.chat("away", model="m")
            assert answer.status == 307
            assert answer.headers["Location"] == "http://127.0.0.1:1/elsewhere"
            assert not answer.stored
        assert [path for path, _, _ in script.seen] == ["/v1/chat/completions"] * 2


async def test_an_answer_packed_without_being_asked_is_unpacked(scene: Scene) -> None:
    async def packed(request: web.Request) -> web.StreamResponse:
        streamed = orjson.loads(await request.read()).get("stream")
        said = b'data: {"choices":[]}\n\n' * 50 if streamed else orjson.dumps(SAID)
        kind = "text/event-stream" if streamed else "application/json"
        return web.Response(body=gzip.compress(said), headers={"Content-Encoding": "gzip", "Content-Type": kind})

    async with provider(packed) as (script, base), scene.proxy(entry("m", "openai/m", base)) as client:
        answer = await client.chat("packed", model="m")
        assert script.seen[0][1]["accept-encoding"] == "identity"
        assert answer.json == SAID
        assert "Content-Encoding" not in answer.headers
        assert (await client.chat("packed", model="m")).json == SAID
        assert len(script.seen) == 1
        streamed = await client.chat("packed stream", model="m", stream=True)
        assert len(streamed.events) == 50


async def test_what_belongs_to_another_hop_or_another_cache_is_not_passed_on(scene: Scene) -> None:
    theirs = {
        "Set-Cookie": "a=b", "Age": "5", "Cache-Status": "other; hit", "Cache-Control": "max-age=5", "Server": "theirs",
        "Keep-Alive": "timeout=5", "Alt-Svc": "h3", "Strict-Transport-Security": "max-age=5", "Trailer": "x",
        "x-litellm-cache-key": "abc", "x-ratelimit-remaining-requests": "5", "x-request-id": "req_1",
        "openai-processing-ms": "7", "Retry-After": "1", "X-Own": "kept",
    }  # fmt: skip
    passed = {"x-ratelimit-remaining-requests", "x-request-id", "openai-processing-ms", "Retry-After", "X-Own"}

    async def full(_request: web.Request) -> web.StreamResponse:
        return web.json_response(SAID, headers=theirs)

    async with provider(full) as (_, base), scene.proxy(entry("m", "openai/m", base)) as client:
        miss, hit = [await client.chat("full head", model="m") for _ in range(2)]
    for name, value in theirs.items():
        assert (miss.headers.get(name) == value) == (name in passed), name
        assert hit.headers.get(name) != value, name
    assert not miss.hit
    assert hit.hit
    ours = {"Content-Type", "Content-Length", "Cache-Status", "Age", "x-litellm-cache-key", "Date"}
    assert {name.lower() for name in hit.headers} == {name.lower() for name in ours}


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
