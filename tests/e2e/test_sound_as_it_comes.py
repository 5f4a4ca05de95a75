"""Bytes are passed on as they come, and are kept before the client has the last of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import openai
import orjson
import pytest
from aiohttp import web

from tests.e2e import upstreams
from tests.e2e.asking import Answer, Client
from tests.e2e.stack import eventually
from tests.e2e.upstreams import Scene, entry, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene

FIRST, REST = b"ID3\x04" + bytes(range(256)), bytes(reversed(range(256))) * 800
SOUND = FIRST + REST
PATIENCE = 20.0

framed = pytest.mark.parametrize("length", [True, False], ids=["of a known length", "in chunks"])


@dataclass
class Speaker:
    """Says the first bytes at once, and the rest when it is told to go on; with `breaks` its connection dies then."""

    length: bool = True
    media_type: str = "audio/mpeg"
    breaks: bool = False
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": self.media_type})
        if self.length:
            response.content_length = len(SOUND)
        await response.prepare(request)
        await response.write(FIRST)
        await self.go_on.wait()
        if self.breaks and request.transport is not None:
            await response.write(REST[:1000])
            request.transport.close()
            return response
        await response.write(REST)
        return response


@asynccontextmanager
async def speaking(scene: Scene, speaker: Speaker, more: str = "") -> AsyncIterator[tuple[Client, Client, list[Any]]]:
    """Two frontends before the speaker, and what it was asked."""
    async with provider(speaker.answer) as (script, base):
        models = entry("m", "openai/m", base)
        async with scene.proxy(models, more) as client, scene.proxy(models, more) as other:
            try:
                yield client, other, script.seen
            finally:
                speaker.go_on.set()


def body(text: str) -> dict[str, Any]:
    return {"model": "m", "input": text, "voice": "alloy"}


@asynccontextmanager
async def asking(client: Client, text: str, **more: Any) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer while it comes."""
    async with (
        asyncio.timeout(PATIENCE),
        client.session.post(f"{client.url}/v1/audio/speech", json={**body(text), **more}) as answer,
    ):
        yield answer


async def kept(client: Client, text: str) -> Answer:
    only = {"Cache-Control": "only-if-cached"}
    return await client.send("POST", "/v1/audio/speech", json=body(text), headers=only)


def told(answer: aiohttp.ClientResponse) -> Answer:
    return Answer(answer.status, answer.headers, b"")


@framed
async def test_the_client_hears_the_beginning_before_the_provider_has_said_the_end(scene: Scene, length: bool) -> None:
    speaker = Speaker(length)
    async with speaking(scene, speaker) as (client, _, seen):
        async with asking(client, "arriving") as answer:
            assert await answer.content.readexactly(len(FIRST)) == FIRST
            assert not speaker.go_on.is_set()
            assert told(answer).cache == {"fwd": "miss", "stored": True, "ttl": 600, "key": told(answer).cache["key"]}
            assert answer.headers["Content-Type"] == "audio/mpeg"
            assert answer.content_length == (len(SOUND) if length else None)
            async with asking(client, "arriving") as joined:
                assert await joined.content.readexactly(len(FIRST)) == FIRST
                assert told(joined).cache["collapsed"] is True
                speaker.go_on.set()
                assert await joined.read() == await answer.read() == REST
        hit = await kept(client, "arriving")
        assert (hit.hit, hit.body, hit.headers["Content-Length"]) == (True, SOUND, str(len(SOUND)))
        assert hit.headers["Content-Type"] == "audio/mpeg"
        assert len(seen) == 1


@framed
async def test_who_has_the_last_byte_asks_again_and_hits_on_every_frontend(scene: Scene, length: bool) -> None:
    speaker = Speaker(length)
    speaker.go_on.set()
    async with speaking(scene, speaker) as (client, other, seen):
        for number in range(5):
            async with asking(client, f"at once {number}") as answer:
                if length:
                    await answer.content.readexactly(len(SOUND))
                else:
                    await answer.read()
                hits = await asyncio.gather(kept(client, f"at once {number}"), kept(other, f"at once {number}"))
                assert [(hit.status, hit.body == SOUND) for hit in hits] == [(200, True)] * 2
        assert len(seen) == 5


async def test_the_sdk_plays_what_comes(scene: Scene) -> None:
    speaker = Speaker(length=False)
    async with speaking(scene, speaker) as (client, _, seen):
        async with openai.AsyncOpenAI(api_key="sk", base_url=f"{client.url}/v1", max_retries=0) as sdk:
            for _ in range(2):
                heard = b""
                async with (
                    asyncio.timeout(PATIENCE),
                    sdk.audio.speech.with_streaming_response.create(**body("played")) as answer,
                ):
                    async for piece in answer.iter_bytes():
                        heard += piece
                        speaker.go_on.set()  # until something was heard, the provider says no more
                assert heard == SOUND
        assert len(seen) == 1


@framed
async def test_a_client_that_leaves_in_the_middle_does_not_take_the_answer_along(scene: Scene, length: bool) -> None:
    speaker = Speaker(length)
    async with speaking(scene, speaker) as (client, _, seen):
        async with asking(client, "left alone") as answer:
            await answer.content.readexactly(len(FIRST))
            answer.close()
        speaker.go_on.set()

        async def there() -> bool:
            return (await kept(client, "left alone")).hit

        assert await eventually(there)
        assert (await kept(client, "left alone")).body == SOUND
        assert len(seen) == 1


@framed
async def test_a_broken_answer_breaks_the_clients_connection_and_is_not_kept(scene: Scene, length: bool) -> None:
    speaker = Speaker(length, breaks=True)
    async with speaking(scene, speaker) as (client, other, seen):
        for _ in range(2):
            async with asking(client, "broken") as answer:
                await answer.content.readexactly(len(FIRST))
                speaker.go_on.set()
                with pytest.raises(aiohttp.ClientPayloadError):
                    await answer.read()
            assert [(await kept(one, "broken")).status for one in (client, other)] == [504, 504]
        assert len(seen) == 2


@framed
async def test_what_is_too_large_is_passed_on_whole_and_not_kept(scene: Scene, length: bool) -> None:
    speaker = Speaker(length)
    async with speaking(scene, speaker, "askonce: {max_entry_bytes: 1000}") as (client, _, seen):
        for asked in range(2):
            async with asking(client, "too large") as answer:
                assert await answer.content.readexactly(len(FIRST)) == FIRST
                assert told(answer).stored == (not length), "of chunks it is not known how many there will be"
                assert told(answer).cache.get("detail") == ("too-large" if length else None)
                speaker.go_on.set()
                assert await answer.read() == REST
            assert (await kept(client, "too large")).status == 504
            assert len(seen) == asked + 1


async def test_what_must_not_be_kept_comes_at_once_too(scene: Scene) -> None:
    speaker = Speaker()
    async with speaking(scene, speaker) as (client, _, _), asking(client, "own", cache={"no-store": True}) as answer:
        assert await answer.content.readexactly(len(FIRST)) == FIRST
        assert (told(answer).stored, told(answer).cache["detail"]) == (False, "no-store")
        speaker.go_on.set()
        assert await answer.read() == REST
        assert (await kept(client, "own")).status == 504


async def test_an_end_that_only_the_closed_connection_tells_is_no_end(scene: Scene) -> None:
    async def unframed(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nConnection: close\r\n\r\n" + SOUND)
        request.transport.close()
        return web.Response()

    async with provider(unframed) as (script, base), scene.proxy(entry("m", "openai/m", base)) as client:
        for _ in range(2):
            answer = await client.send("POST", "/v1/audio/speech", json=body("unframed"))
            assert (answer.body, answer.stored, answer.cache["detail"]) == (SOUND, False, "incomplete")
        assert len(script.seen) == 2


@pytest.mark.parametrize("media_type", ["application/problem+json", "text/plain"])
async def test_json_and_text_wait_for_their_end_to_say_what_was_kept(scene: Scene, media_type: str) -> None:
    speaker = Speaker(media_type=media_type)
    speaker.go_on.set()
    async with speaking(scene, speaker) as (client, _, _):
        answer = await client.send("POST", "/v1/audio/speech", json=body(f"as {media_type}"))
        assert (answer.body, answer.stored, answer.cache["detail"]) == (SOUND, False, "malformed")


async def test_what_is_made_up_of_found_and_fresh_parts_is_whole_whatever_its_type(scene: Scene) -> None:
    async def untyped(request: web.Request) -> web.StreamResponse:
        items = orjson.loads(await request.read())["input"]
        data = [{"index": n, "embedding": [len(item) / 2]} for n, item in enumerate(items)]
        told = orjson.dumps({"object": "list", "model": "m", "data": data})
        return web.Response(body=told, content_type="application/octet-stream")

    async with provider(untyped) as (script, base), scene.proxy(entry("m", "openai/m", base)) as client:
        assert (await client.ask("embedding", "", model="m", input=["a"])).stored
        whole = await client.ask("embedding", "", model="m", input=["a", "bb"])
        assert whole.cache["fwd"] == "partial"
        assert [item["embedding"] for item in whole.json["data"]] == [[0.5], [1.0]]
        assert orjson.loads(script.seen[-1][2])["input"] == ["bb"]
