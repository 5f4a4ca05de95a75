"""A stream whose last event comes in pieces: it is kept before its end is passed on, not when the connection ends."""

import asyncio

import pytest
from aiohttp import web

from askonce.core.sse import SseParser
from tests.calls.responses import hello, streamed
from tests.e2e import upstreams
from tests.e2e.test_responses import ASKED, PATH, ask
from tests.e2e.upstreams import Scene, entry, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene


async def test_a_last_event_in_pieces_is_kept_before_the_connection_ends(scene: Scene) -> None:
    whole, go_on = streamed(hello()), asyncio.Event()

    async def open_end(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in (whole[:-600], whole[-600:-300], whole[-300:]):
            await response.write(piece)
            await asyncio.sleep(0.05)
        await go_on.wait()
        return response

    async with provider(open_end) as (_, base), scene.proxy(entry("m", "openai/m", base)) as client:
        asked = {**ASKED, "model": "m", "stream": True, "input": "at once"}
        async with client.session.post(client.url + PATH, json=asked) as first:
            parser, seen = SseParser(), 0
            while not seen:
                events = parser.feed(await first.content.readany())
                seen = sum(event.event == b"response.completed" for event in events)
            hit = asyncio.create_task(ask(client, "at once", model="m"))
            done, _ = await asyncio.wait([hit], timeout=10)
            go_on.set()
            assert done
            assert hit.result().hit
