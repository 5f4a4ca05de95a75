"""The OpenAI SDK's own calls to what is passed through, to a provider that says what OpenAI's API says."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from aiohttp import web

from tests.e2e.relays import Scene, relays
from tests.frontend.kit import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
FILE = {"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "a.jsonl", "purpose": "batch",
        "status": "processed"}  # fmt: skip
BATCH = {"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-1",
         "completion_window": "24h", "status": "validating", "created_at": 1}  # fmt: skip
EVENTS = [
    f'event: {kind}\ndata: {{"type": "{kind}", "item_id": "i", "output_index": 0, "content_index": 0}}\n\n'.encode()
    for kind in ("response.output_text.delta", "response.output_text.done")
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with relays(tmp_path_factory.mktemp("relays")) as scene:
        yield scene


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["/v1", "", "/openai/v1"])
async def client(scene: Scene, request: pytest.FixtureRequest) -> AsyncIterator[openai.AsyncOpenAI]:
    url = f"{scene.listed.url}{request.param}"
    async with openai.AsyncOpenAI(api_key="sk-any", base_url=url, max_retries=0) as client:
        yield client


def saying(body: Any, **more: Any) -> Any:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        async for _ in request.content.iter_any():
            pass
        return web.json_response(body, **more)

    return answer


class _Growing:
    """A file that is not whole yet when its upload begins."""

    def __init__(self, go_on: asyncio.Event, pieces: int) -> None:
        self._go_on = go_on
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number in range(self._pieces):
            if number == self._pieces // 2:
                await self._go_on.wait()
            yield b"{}\n" * 40_000


async def test_a_file_is_uploaded(scene: Scene, client: openai.AsyncOpenAI) -> None:
    received = bytearray()

    async def receive(request: web.BaseRequest) -> web.StreamResponse:
        async for piece in request.content.iter_any():
            received.extend(piece)
        return web.json_response(FILE)

    data = b'{"custom_id": "1"}\n' * 200_000
    async with scene.first.doing(receive):
        made = await client.files.create(file=("a.jsonl", data), purpose="batch")
    assert (made.id, made.status) == ("file-1", "processed")
    assert data in received
    assert b'name="purpose"' in received
    last = scene.first.last
    assert (last.method, last.target) == ("POST", "/v1/files")
    assert last.headers["Authorization"] == "Bearer sk-first"
    assert int(last.headers["Content-Length"]) == len(received)


async def test_a_part_of_an_upload_goes_on_while_it_is_read(scene: Scene, client: openai.AsyncOpenAI) -> None:
    go_on, seen = asyncio.Event(), 0

    async def receive(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal seen
        async for piece in request.content.iter_any():
            seen += len(piece)
        return web.json_response({"bytes": seen})

    async with scene.first.doing(receive):
        sending = asyncio.create_task(
            client.post(
                "/uploads/u-1/parts",
                cast_to=dict[str, Any],
                content=_Growing(go_on, 20),
                options={"headers": {"Content-Type": "application/octet-stream"}},
            )
        )
        await until(lambda: seen == 10 * 120_000)
        assert not sending.done()
        go_on.set()
        assert await sending == {"bytes": 20 * 120_000}


async def test_a_files_content_is_downloaded_as_it_comes(scene: Scene, client: openai.AsyncOpenAI) -> None:
    go_on = asyncio.Event()

    async def send(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
        await response.prepare(request)
        await response.write(b"first")
        await go_on.wait()
        await response.write(b"second")
        return response

    async with scene.first.doing(send), client.files.with_streaming_response.content("file-1") as answer:
        pieces = answer.iter_bytes()
        assert await anext(pieces) == b"first"
        go_on.set()
        assert b"".join([piece async for piece in pieces]) == b"second"
        assert answer.headers["content-type"] == "application/jsonl"
    assert scene.first.last.target == "/v1/files/file-1/content"


async def test_an_image_is_asked_for_by_the_providers_name(scene: Scene, client: openai.AsyncOpenAI) -> None:
    made = await client.images.generate(model="dalle", prompt="a cat")
    assert made.model_dump()["data"] == []
    assert scene.second.last.json == {"model": "dall-e-3", "prompt": "a cat"}


async def test_an_image_is_edited_by_the_providers_name(scene: Scene, client: openai.AsyncOpenAI) -> None:
    await client.images.edit(model="dalle", image=("a.png", b"\x89PNG"), prompt="a cat", extra_body={"n": 2})
    assert scene.second.last.target == "/v1/images/edits"
    assert b"\r\n\r\ndall-e-3\r\n" in scene.second.last.body
    assert b"dalle" not in scene.second.last.body
    assert b"\x89PNG" in scene.second.last.body


async def test_our_controls_do_not_reach_the_provider(scene: Scene, client: openai.AsyncOpenAI) -> None:
    async with scene.first.doing(saying({"id": "modr-1", "model": "m", "results": []})):
        made = await client.moderations.create(input="a", extra_body={"cache": {"no-cache": True}})
    assert made.id == "modr-1"


async def test_batches_are_made_listed_and_cancelled(scene: Scene, client: openai.AsyncOpenAI) -> None:
    async with scene.first.doing(saying(BATCH)):
        made = await client.batches.create(
            input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
        )
        assert (await client.batches.retrieve(made.id)).id == "batch_1"
        assert (await client.batches.cancel(made.id)).status == "validating"
    async with scene.first.doing(saying({"object": "list", "data": [BATCH], "has_more": False})):
        assert [one.id async for one in client.batches.list(limit=2)] == ["batch_1"]
    assert [(seen.method, seen.target) for seen in scene.first.seen[-4:]] == [
        ("POST", "/v1/batches"),
        ("GET", "/v1/batches/batch_1"),
        ("POST", "/v1/batches/batch_1/cancel"),
        ("GET", "/v1/batches?limit=2"),
    ]


async def test_a_file_is_deleted(scene: Scene, client: openai.AsyncOpenAI) -> None:
    async with scene.first.doing(saying({"id": "file-1", "object": "file", "deleted": True})):
        assert (await client.files.delete("file-1")).deleted
    assert scene.first.last.method == "DELETE"


async def test_an_error_of_the_provider_is_the_clients(scene: Scene, client: openai.AsyncOpenAI) -> None:
    error = {"error": {"message": "Slow down.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}
    headers = {"Retry-After": "3", "x-request-id": "req_1", "x-ratelimit-remaining-requests": "0"}
    async with scene.first.doing(saying(error, status=429, headers=headers)):
        with pytest.raises(openai.RateLimitError) as refused:
            await client.files.list()
    assert (refused.value.code, refused.value.request_id) == ("rate_limit_exceeded", "req_1")
    assert {name: refused.value.response.headers[name] for name in headers} == headers


async def test_a_kept_answer_is_streamed_again(scene: Scene, client: openai.AsyncOpenAI) -> None:
    go_on = asyncio.Event()

    async def send(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(EVENTS[0])
        await go_on.wait()
        await response.write(EVENTS[1])
        return response

    said = []
    async with scene.first.doing(send):
        async for event in await client.responses.retrieve("resp_1", stream=True):
            said.append(event.type)
            go_on.set()
    assert said == ["response.output_text.delta", "response.output_text.done"]
    assert scene.first.last.target == "/v1/responses/resp_1?stream=true"
