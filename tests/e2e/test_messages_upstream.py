"""`/v1/messages`: what becomes of what providers answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from tests.calls.messages_told import END, HELLO, MESSAGE, TEXT, block, opened, piece, sse, start, stopped
from tests.e2e import upstreams
from tests.e2e.asking import Client
from tests.e2e.messages import ask, error, told, words
from tests.e2e.upstreams import Scene, Script, entry, provider
from tests.servers import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene

HELD = {"id": "container_1", "expires_at": "2030-01-01T00:00:00Z"}
FAILED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@asynccontextmanager
async def saying(
    scene: Scene, said: Any, more: str = "", status: int = 200, pieces: int | None = None
) -> AsyncIterator[tuple[Client, Script]]:
    """A frontend before a provider that says this: an object as JSON, bytes as a stream, cut into pieces of so many
    bytes.
    """
    streamed = isinstance(said, bytes)
    payload: bytes = said if streamed else orjson.dumps(said)
    kind = "text/event-stream" if streamed else "application/json"

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Type": kind, "request-id": "req_1"})
        await response.prepare(request)
        size = pieces or len(payload)
        for at in range(0, len(payload), size):
            await response.write(payload[at : at + size])
            await asyncio.sleep(0)
        return response

    async with provider(answer) as (script, base), scene.proxy(entry("m", "openai/m", base), more) as client:
        yield client, script


# -- what is not kept ----------------------------------------------------------------------------------------------

SCRIPTED: dict[tuple[str, bool], str | None] = {
    ("toy-empty", False): "empty",
    ("toy-empty", True): None,
    ("toy-malformed", False): "malformed",
    ("toy-malformed", True): None,
    ("toy-truncated", True): None,
    ("toy-stream-error", True): None,
    ("toy-no-usage", True): None,
    ("toy-huge", False): "too-large",
}


@pytest.mark.parametrize(("model", "stream"), SCRIPTED)
async def test_what_is_no_whole_answer_is_served_as_it_came_and_not_kept(
    scene: Scene, model: str, stream: bool
) -> None:
    asked = scene.asked
    directly = Client(scene.client.session, scene.base.removesuffix("/v1"))
    wanted = await ask(directly, "not whole", model=model, stream=stream)
    for _ in range(2):
        answer = await ask(scene.client, "not whole", model=model, stream=stream)
        assert (answer.status, answer.hit) == (200, False)
        assert len(answer.body) == len(wanted.body), "the same but for its id"
        assert answer.cache.get("detail") == SCRIPTED[model, stream]
    assert scene.asked == asked + 3


NOT_KEPT: dict[str, tuple[dict[str, Any], str]] = {
    "an error with status 200": (FAILED, "malformed"),
    "nothing": ({**MESSAGE, "content": []}, "empty"),
    "an empty text": ({**MESSAGE, "content": [TEXT]}, "empty"),
    "no reason to stop": ({**MESSAGE, "stop_reason": None}, "incomplete"),
    "a container": ({**MESSAGE, "container": HELD}, "uncertain-assembly"),
}


@pytest.mark.parametrize(("said", "detail"), NOT_KEPT.values(), ids=NOT_KEPT)
async def test_a_plain_answer_that_is_not_kept(scene: Scene, said: dict[str, Any], detail: str) -> None:
    async with saying(scene, said) as (client, script):
        for number in (1, 2):
            answer = await ask(client, f"not kept {said}", model="m")
            assert (answer.status, answer.json, answer.hit) == (200, said, False)
            assert answer.cache["detail"] == detail
            assert len(script.seen) == number


IN_DOUBT = {
    "an error": sse(start(), *HELLO[:2], FAILED),
    "no end": sse(start(), *HELLO, stopped()),
    "no words": sse(start(), stopped(), END),
    "an unknown delta": sse(start(), *block(TEXT, piece("video_delta", data="a")), stopped(), END),
    "a block out of turn": sse(start(), opened(TEXT, 1), {"type": "content_block_stop", "index": 1}, stopped(), END),
}


@pytest.mark.parametrize("stream", IN_DOUBT.values(), ids=IN_DOUBT)
async def test_a_stream_in_doubt_is_served_as_it_came_and_not_kept(scene: Scene, stream: bytes) -> None:
    async with saying(scene, stream) as (client, script):
        for number in (1, 2):
            answer = await ask(client, f"in doubt {stream!r}", model="m", stream=True)
            assert (answer.status, answer.body, answer.hit) == (200, stream, False)
            assert len(script.seen) == number


@pytest.mark.parametrize(
    "more",
    [
        {"container": "container_1"},
        {"thread": {"type": "create"}},
        {"mcp_servers": [{"type": "url", "url": "https://mcp.example.com", "name": "tickets"}]},
    ],
    ids=lambda more: next(iter(more)),
)
async def test_what_would_ask_something_else_another_time_passes_by(scene: Scene, more: dict[str, Any]) -> None:
    asked = scene.asked
    for _ in range(2):
        answer = await ask(scene.client, "unrepeatable", **more)
        assert answer.cache["detail"] == "unrepeatable"
        assert scene.last_body().items() >= more.items()
    assert scene.asked == asked + 2


# -- what is kept ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_however_a_stream_is_cut_on_its_way_it_is_kept_alike(scene: Scene, size: int) -> None:
    stream = sse(start(), {"type": "ping"}, *HELLO, stopped(), END)
    async with saying(scene, stream, pieces=size) as (client, script):
        first = await ask(client, f"cut {size}", model="m", stream=True)
        assert first.body == stream
        assert (await ask(client, f"cut {size}", model="m", stream=True)).body == stream
        plain = await ask(client, f"cut {size}", model="m")
        assert plain.hit
        assert plain.json == MESSAGE
        assert len(script.seen) == 1


async def test_a_turn_that_was_paused_is_kept(scene: Scene) -> None:
    said = {**MESSAGE, "stop_reason": "pause_turn"}
    async with saying(scene, said) as (client, _):
        await ask(client, "paused", model="m")
        again = await ask(client, "paused", model="m", stream=True)
        assert again.hit
        assert told(again)[-2]["delta"]["stop_reason"] == "pause_turn"


async def test_a_stream_too_long_to_be_kept_is_kept_as_what_it_says(scene: Scene) -> None:
    long = block(TEXT, *(piece("text_delta", text=f"{number} ") for number in range(40)))
    stream = sse(start(), *long, stopped(), END)
    async with saying(scene, stream, "askonce: {max_entry_bytes: 2000}\n") as (client, script):
        first = await ask(client, "long", model="m", stream=True)
        assert first.body == stream
        again = await ask(client, "long", model="m", stream=True)
        assert again.hit
        assert len(again.body) < 2000 < len(stream)
        assert words(again) == words(first)
        assert (await ask(client, "long", model="m")).json["content"][0]["text"] == words(first)
        assert len(script.seen) == 1


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("status", [400, 401, 413, 429, 500, 529])
async def test_an_error_passes_as_it_is_and_is_never_kept(scene: Scene, status: int, stream: bool) -> None:
    async with saying(scene, FAILED, status=status) as (client, script):
        for number in (1, 2):
            answer = await ask(client, f"failing {status}", model="m", stream=stream)
            assert (answer.status, answer.json) == (status, FAILED)
            assert answer.headers["request-id"] == "req_1"
            assert not answer.stored
            assert len(script.seen) == number


REFUSED: Sequence[tuple[dict[str, Any], str]] = (
    ({"messages": []}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": ["Hi"]}, "messages"),
    ({"model": ""}, "model"),
    ({"stream": "yes"}, "stream"),
    ({"cache": []}, "cache"),
)


@pytest.mark.parametrize(("body", "param"), REFUSED)
async def test_a_wrong_body_is_refused_by_the_name_of_the_field(scene: Scene, body: dict[str, Any], param: str) -> None:
    asked = scene.asked
    answer = await ask(scene.client, "wrong", **body)
    assert answer.status == 400
    assert (error(answer)["type"], error(answer)["param"]) == ("invalid_request_error", param)
    assert scene.asked == asked


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": [{"role": "system", "content": "Hi"}]}, "messages.0.role"),
    ],
)
async def test_the_rest_of_a_body_is_judged_by_the_provider(scene: Scene, body: dict[str, Any], param: str) -> None:
    asked = scene.asked
    for _ in range(2):
        answer = await ask(scene.client, "judged", **body)
        assert (answer.status, answer.error["param"]) == (400, param)
    assert scene.asked == asked + 2


async def test_a_provider_that_cannot_be_reached_is_502(scene: Scene) -> None:
    async with scene.proxy(entry("m", "openai/m", f"http://127.0.0.1:{free_port()}/v1")) as client:
        answer = await ask(client, "nobody there", model="m")
        assert (answer.status, error(answer)["type"]) == (502, "api_error")


async def test_a_stream_that_breaks_off_breaks_the_clients(scene: Scene) -> None:
    for _ in range(2):
        asked = scene.asked
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(scene.client, "broken", model="toy-broken-stream", stream=True)
        assert scene.asked == asked + 1, "never kept"
