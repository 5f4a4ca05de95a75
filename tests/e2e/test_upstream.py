"""What providers do: errors pass, what is broken breaks, and what belongs to another hop stays behind."""

import asyncio
import gzip
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from askonce.core.sse import DONE, frame
from tests.e2e import upstreams
from tests.e2e.asking import CALL_TYPES, body, raw
from tests.e2e.upstreams import CHUNK, LAST, SAID, Scene, entry, provider
from tests.servers import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene


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
        ("api_key: k", "router_settings: {timeout: 0.1}", {}),
        ("api_key: k", "router_settings: {timeout: 600, stream_timeout: 0.1}", {"stream": True}),
        ("api_key: k, timeout: 0.1", "router_settings: {timeout: 600}", {"stream": True}),
    ],
    ids=["deployment", "its streams", "proxy", "client", "router", "the router's streams", "stream of a deployment"],
)
async def test_a_provider_that_takes_too_long_is_504(
    scene: Scene, params: str, more: str, asked: dict[str, Any]
) -> None:
    async with scene.proxy(entry("toy-slow", "openai/toy-slow", "{base}", params), more) as client:
        answer = await client.chat("too long", model="toy-slow", **asked)
    assert answer.status == 504
    assert answer.error["type"] == "upstream_error"
    assert "timeout" not in scene.last_body()


async def drip(request: web.Request, chunks: int, pause: float) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for _ in range(chunks):
        await response.write(frame(orjson.dumps(CHUNK)))
        await asyncio.sleep(pause)
    await response.write(frame(orjson.dumps(LAST)) + frame(DONE))
    return response


@pytest.mark.parametrize(
    ("params", "more"),
    [
        ("timeout: 0.3", ""),
        ("timeout: 600, stream_timeout: 0.3", ""),
        ("rpm: 1", "router_settings: {stream_timeout: 0.3}"),
    ],
    ids=["as a whole", "between chunks", "as the router says"],
)
async def test_a_stream_that_takes_too_long_breaks_the_clients_and_is_not_kept(
    scene: Scene, params: str, more: str
) -> None:
    async def stalls(request: web.Request) -> web.StreamResponse:
        return await drip(request, 1, 30)

    async with (
        provider(stalls) as (script, base),
        scene.proxy(entry("m", "openai/m", base, params), more) as client,
    ):
        for _ in range(2):
            with pytest.raises(aiohttp.ClientPayloadError):
                await client.chat("stalls", model="m", stream=True)
        assert len(script.seen) == 2


async def test_a_stream_may_last_longer_than_each_wait_of_it(scene: Scene) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        return await drip(request, 8, 0.15)

    async with (
        provider(slow) as (_, base),
        scene.proxy(entry("m", "openai/m", base, "stream_timeout: 0.8")) as client,
        scene.proxy(entry("m", "openai/m-2", base, "timeout: 0.1, stream_timeout: 30")) as longer,
    ):
        for one in (client, longer):
            assert len((await one.chat("slowly", model="m", stream=True)).chunks) == 8
        with pytest.raises(aiohttp.ClientPayloadError):
            await longer.chat("slowly, and not in a stream", model="m")


# -- answers that break off, and what comes with them -----------------------------------------------------------------


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
        "x-litellm-cache-key": "abc", "x-litellm-response-cost": "0.7", "x-request-id": "req_1", "Retry-After": "1",
        "x-ratelimit-remaining-requests": "5", "openai-processing-ms": "7", "X-Own": "kept",
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
    ours = {"content-type", "content-length", "cache-status", "age", "date"}
    assert {name.lower() for name in hit.headers} == ours | {"x-litellm-cache-key", "x-litellm-response-cost"}
    assert hit.headers["x-litellm-response-cost"] == "0.0", "not the provider's"
