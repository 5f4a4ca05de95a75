"""A model provider that answers when the test lets it: order is proved by events, and not by times."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from aiohttp import web

WORDS = ("Asked ", "once, ", "answered ", "often.")


class Gated:
    """Every answer waits for `head` before its first byte and, after its first chunk, for `rest`.

    `calls` counts requests and `begun` the streams whose first chunk is out. With `status` other than 200 an answer is
    an error; with `breaks` its connection dies where it would go on.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.begun = 0
        self.head, self.rest = asyncio.Event(), asyncio.Event()
        self.status = 200
        self.breaks = False

    def open(self) -> None:
        self.head.set()
        self.rest.set()

    def shut(self) -> None:
        """As new."""
        self.head.clear()
        self.rest.clear()
        self.calls, self.begun, self.status, self.breaks = 0, 0, 200, False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        body = orjson.loads(await request.read())
        await self.head.wait()
        if self.status != 200:
            error = {"message": "As the test wishes.", "type": "server_error", "param": None, "code": None}
            return web.Response(
                status=self.status, body=orjson.dumps({"error": error}), content_type="application/json"
            )
        streamed = body.get("stream") is True
        parts = _stream(self.calls) if streamed else _whole(self.calls)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream" if streamed else "application/json"})
        await response.prepare(request)
        await response.write(parts[0])
        self.begun += 1
        await self.rest.wait()
        if self.breaks and request.transport is not None:
            request.transport.abort()
            return response
        for part in parts[1:]:
            await response.write(part)
        await response.write_eof()
        return response


def _whole(number: int) -> list[bytes]:
    message = {"role": "assistant", "content": "".join(WORDS)}
    answer = orjson.dumps(
        {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1,
            "model": "gated",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5},
        }
    )
    return [answer[:20], answer[20:]]


def _stream(number: int) -> list[bytes]:
    common = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1, "model": "gated"}
    deltas: list[dict[str, object]] = [{"content": word} for word in WORDS]
    deltas[0] = {"role": "assistant", **deltas[0]}
    choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    chunks = [{**common, "choices": choice, "usage": None} for choice in choices]
    usage = {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5}
    chunks.append({**common, "choices": [], "usage": usage})
    return [b"data: %s\n\n" % one for one in (*map(orjson.dumps, chunks), b"[DONE]")]


@asynccontextmanager
async def gated_provider() -> AsyncIterator[tuple[Gated, str]]:
    """The provider in this process, and its base URL. At the end every gate is opened."""
    gated = Gated()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", gated.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield gated, f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        gated.open()
        await runner.cleanup()
