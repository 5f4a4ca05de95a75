"""`/v1/responses` through the proxy: what is kept, in which form it comes back, and what passes by."""

import asyncio
from typing import Any

import orjson
import pytest
from aiohttp import web

from askonce.core.sse import SseParser
from tests.calls.responses import ANSWERS, hello, streamed
from tests.e2e import upstreams
from tests.e2e.asking import Answer, Client
from tests.e2e.solo import solo
from tests.e2e.stack import config, eventually
from tests.e2e.upstreams import EVERYTHING, Scene, entry, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene

PATH = "/v1/responses"
ASKED = {"model": "toy", "input": "What is kept?"}


async def ask(
    client: Client, said: object, path: str = PATH, headers: dict[str, str] | None = None, **more: Any
) -> Answer:
    return await client.send("POST", path, json={**ASKED, "input": said, **more}, headers=headers or {})


def completed(answer: Answer) -> Any:
    """The response in a stream's last event."""
    last = orjson.loads(answer.events[-1])
    assert last["type"] == "response.completed"
    return last["response"]


async def test_a_second_ask_is_a_hit_to_the_byte(scene: Scene) -> None:
    asked = scene.asked
    first = await ask(scene.client, "plain")
    assert first.cache == {"fwd": "miss", "stored": True, "ttl": 600, "key": first.cache["key"]}
    assert first.json["status"] == "completed"
    again = await ask(scene.client, "plain")
    assert again.hit
    assert (again.body, again.key) == (first.body, first.key)
    assert again.headers["Content-Type"] == "application/json"
    assert (await ask(scene.client, "plain", "/responses")).body == first.body
    assert scene.asked == asked + 1


@pytest.mark.parametrize("path", [PATH, "/responses"])
async def test_a_stream_is_replayed_to_the_byte(scene: Scene, path: str) -> None:
    asked = scene.asked
    first = await ask(scene.client, f"stream {path}", path, stream=True)
    assert first.stored
    answers = [await ask(scene.client, f"stream {path}", one, stream=True) for one in (path, PATH, "/responses")]
    assert [(one.hit, one.body == first.body) for one in answers] == [(True, True)] * 3
    assert answers[0].headers["Content-Type"].startswith("text/event-stream")
    assert b'"obfuscation"' in first.body
    assert scene.asked == asked + 1


async def test_a_stream_serves_plain_asks_too(scene: Scene) -> None:
    asked = scene.asked
    first = await ask(scene.client, "stream, then plain", stream=True)
    plain = [await ask(scene.client, "stream, then plain") for _ in range(2)]
    assert all(one.hit for one in plain)
    assert plain[0].json == completed(first)
    assert plain[0].body == plain[1].body
    assert plain[0].headers["Content-Type"] == "application/json"
    assert (await ask(scene.client, "stream, then plain", stream=True)).body == first.body
    assert scene.asked == asked + 1


async def test_a_plain_answer_serves_streams_too(scene: Scene) -> None:
    asked = scene.asked
    first = await ask(scene.client, "plain, then stream")
    streams = [await ask(scene.client, "plain, then stream", stream=True) for _ in range(2)]
    assert all(one.hit for one in streams)
    assert streams[0].body == streams[1].body
    assert completed(streams[0]) == first.json
    events = [orjson.loads(event) for event in streams[0].events]
    said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert said == first.json["output"][0]["content"][0]["text"]
    assert scene.asked == asked + 1


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_controls_are_obeyed_and_never_passed_on(scene: Scene, stream: bool) -> None:
    said, more = f"controls {stream}", {"stream": stream}
    unkept = await ask(scene.client, said, cache={"no-store": True}, **more)
    assert (unkept.stored, unkept.cache["detail"]) == (False, "no-store")
    assert scene.last_body() == {**ASKED, "input": said, "stream": stream}
    kept = await ask(scene.client, said, cache={"ttl": 60, "namespace": "mine"}, **more)
    assert (kept.stored, kept.cache["ttl"], kept.key.namespace) == (True, 60, "mine")
    assert not (await ask(scene.client, said, **more)).hit
    anew = await ask(scene.client, said, headers={"Cache-Control": "no-cache"}, **more)
    assert (anew.hit, anew.cache["fwd"]) == (False, "request")
    assert (await ask(scene.client, said, headers={"Cache-Control": "only-if-cached"}, **more)).body == anew.body
    assert (await ask(scene.client, said, cache={"s-maxage": 0}, **more)).hit is False
    refused = await ask(scene.client, said, cache={"ttl": "long"}, **more)
    assert (refused.status, refused.error["param"]) == (400, "cache.ttl")


@pytest.mark.parametrize(
    "change",
    [
        {"conversation": "conv_1"},
        {"background": True},
        {"tools": [{"type": "mcp", "server_label": "mail", "server_url": "https://example.org"}]},
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_what_is_not_repeatable_passes_by(scene: Scene, change: dict[str, Any], stream: bool) -> None:
    asked = scene.asked
    for _ in range(2):
        answer = await ask(scene.client, "again", stream=stream, **change)
        assert (answer.status, answer.hit, answer.stored) == (200, False, False)
        assert (answer.cache["fwd"], answer.cache["detail"]) == ("bypass", "unrepeatable")
        assert scene.last_body().items() >= change.items()
    assert scene.asked == asked + 2


async def test_what_decides_the_answer_is_in_the_key(scene: Scene) -> None:
    asked = scene.asked
    changes: list[dict[str, Any]] = [
        {},
        {"previous_response_id": "resp_1"},
        {"previous_response_id": "resp_2"},
        {"instructions": "Be brief."},
        {"store": False},
        {"headers": {"OpenAI-Beta": "responses=v2"}},
    ]
    first = [await ask(scene.client, "which", **change) for change in changes]
    again = [await ask(scene.client, "which", **change) for change in changes]
    assert [one.hit for one in first + again] == [False] * len(changes) + [True] * len(changes)
    assert len({one.key for one in first}) == len(changes)
    assert again[2].json["previous_response_id"] == "resp_2"
    assert scene.asked == asked + len(changes)


async def test_an_entry_too_long_as_a_stream_is_kept_as_the_plain_answer(scene: Scene) -> None:
    async with scene.proxy(EVERYTHING, "askonce: {max_entry_bytes: 4000}") as client:
        asked = scene.asked
        first = await ask(client, "too long", stream=True)
        assert len(first.body) > 4000 > len(orjson.dumps(completed(first)))
        again = await ask(client, "too long", stream=True)
        assert again.hit
        assert len(again.events) < len(first.events)
        assert completed(again) == completed(first) == (await ask(client, "too long")).json
        assert scene.asked == asked + 1


NOT_KEPT: dict[tuple[str, bool], str | None] = {
    ("toy-empty", False): "empty",
    ("toy-empty", True): None,
    ("toy-huge", False): "too-large",
    ("toy-huge", True): None,
    ("toy-malformed", False): "malformed",
    ("toy-malformed", True): None,
    ("toy-truncated", True): None,
    ("toy-stream-error", True): None,
}


@pytest.mark.parametrize(("model", "stream"), NOT_KEPT)
async def test_what_is_no_whole_answer_is_passed_on_and_not_kept(scene: Scene, model: str, stream: bool) -> None:
    asked = scene.asked
    directly = await ask(
        Client(scene.client.session, scene.base.removesuffix("/v1")), "odd", model=model, stream=stream
    )
    for _ in range(2):
        answer = await ask(scene.client, "odd", model=model, stream=stream)
        assert (answer.status, answer.hit, len(answer.body)) == (200, False, len(directly.body))
        assert answer.cache.get("detail") == NOT_KEPT[model, stream]
    assert scene.asked == asked + 3


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_an_answer_cut_short_is_not_kept(scene: Scene, stream: bool) -> None:
    for _ in range(2):
        answer = await ask(scene.client, "cut short", max_output_tokens=2, stream=stream)
        assert not answer.hit
        assert b'"status":"incomplete"' in answer.body
        assert stream or answer.cache["detail"] == "incomplete"


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_errors_are_the_providers_and_not_kept(scene: Scene, status: int, stream: bool) -> None:
    asked = scene.asked
    for _ in range(2):
        answer = await ask(scene.client, "errors", model=f"toy-error-{status}", stream=stream)
        assert (answer.status, answer.error["code"], answer.hit) == (status, f"toy-error-{status}", False)
    assert scene.asked == asked + 2


@pytest.mark.parametrize(
    ("change", "param"), [({"input": {}}, "input"), ({"stream": "yes"}, "stream"), ({"model": 7}, "model")]
)
async def test_a_wrong_type_is_refused_without_asking(scene: Scene, change: dict[str, Any], param: str) -> None:
    asked = scene.asked
    answer = await scene.client.send("POST", PATH, json={**ASKED, **change})
    assert (answer.status, answer.error["param"]) == (400, param)
    assert scene.asked == asked


@pytest.mark.parametrize(
    ("types", "cached"), [("[aresponses]", True), ("[responses]", True), ("[acompletion]", False), ("[]", False)]
)
async def test_the_route_is_cached_where_the_config_says_so(scene: Scene, types: str, cached: bool) -> None:
    text = config(scene.base, f"  cache: true\n  cache_params: {{type: local, supported_call_types: {types}}}\n")
    async with solo(scene.folder, text, scene.nats) as client:
        first = await ask(client, f"types {types}")
        assert first.cache.get("detail") == (None if cached else "call-type-off")
        assert (await ask(client, f"types {types}")).hit is cached
        assert (await client.chat(f"types {types}")).stored is (types == "[acompletion]")


@pytest.mark.parametrize("done", [b"", b"data: [DONE]\n\n"], ids=["as OpenAI", "with [DONE]"])
async def test_a_stream_in_the_smallest_pieces_is_kept(scene: Scene, done: bytes) -> None:
    whole = streamed(hello())

    async def slowly(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for at in range(0, len(whole + done), 7):
            await response.write((whole + done)[at : at + 7])
            await asyncio.sleep(0)
        return response

    async with provider(slowly) as (script, base), scene.proxy(entry("m", "openai/m", base)) as client:
        first = await ask(client, f"pieces {done!r}", model="m", stream=True)
        assert first.body == whole + done

        async def kept() -> bool:
            return (await ask(client, f"pieces {done!r}", model="m", stream=True)).hit

        assert await eventually(kept)
        assert (await ask(client, f"pieces {done!r}", model="m", stream=True)).body == whole
        assert (await ask(client, f"pieces {done!r}", model="m")).json == hello()
        assert len(script.seen) == 1


async def test_the_answer_is_kept_before_its_end_is_passed_on(scene: Scene) -> None:
    whole, go_on = streamed(hello()), asyncio.Event()

    async def open_end(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(whole)
        await go_on.wait()
        return response

    async with provider(open_end) as (script, base), scene.proxy(entry("m", "openai/m", base)) as client:
        asked = {**ASKED, "model": "m", "stream": True, "input": "at once"}
        async with client.session.post(client.url + PATH, json=asked) as first:
            parser, seen = SseParser(), 0
            while not seen:
                events = parser.feed(await first.content.readany())
                seen = sum(event.event == b"response.completed" for event in events)
            assert (await ask(client, "at once", model="m", stream=True)).hit
            assert (await ask(client, "at once", model="m")).hit
            go_on.set()
        assert len(script.seen) == 1


@pytest.mark.parametrize("name", ANSWERS)
async def test_answers_of_every_kind_lose_nothing(scene: Scene, name: str) -> None:
    async def say(request: web.Request) -> web.StreamResponse:
        if orjson.loads(await request.read()).get("stream"):
            return web.Response(body=streamed(ANSWERS[name]), content_type="text/event-stream")
        return web.json_response(ANSWERS[name])

    async with provider(say) as (script, base), scene.proxy(entry("m", "openai/m", base)) as client:
        for stream in (False, True):
            first = await ask(client, f"{name} {stream}", model="m", stream=stream)
            assert first.stored
            plain = await ask(client, f"{name} {stream}", model="m")
            told = await ask(client, f"{name} {stream}", model="m", stream=True)
            assert plain.hit
            assert told.hit
            assert plain.json == completed(told) == ANSWERS[name]
        assert len(script.seen) == 2
