"""Speech through the whole read path: sound is kept to the byte, under its own type, and so are streams of it."""

import io
import wave
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import openai
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from askonce.toy.speak import TYPES
from tests.e2e import upstreams
from tests.e2e.asking import Answer, Client
from tests.e2e.solo import solo
from tests.e2e.stack import Process, environment, eventually
from tests.e2e.upstreams import EVERYTHING, Scene, entry, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene

PATHS = ("/v1/audio/speech", "/audio/speech")
ASKED: dict[str, Any] = {"model": "toy", "input": "Asked once.", "voice": "alloy"}


async def speech(
    client: Client,
    said: str = ASKED["input"],
    path: str = PATHS[0],
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Answer:
    return await client.send("POST", path, json={**ASKED, "input": said, **more}, headers=headers or {})


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(scene: Scene) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="sk-any", base_url=f"{scene.client.url}/v1", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("form", TYPES)
async def test_every_format_is_kept_to_the_byte_with_its_type(scene: Scene, form: str) -> None:
    asked = scene.asked
    miss, hit = [await speech(scene.client, path=path, response_format=form) for path in PATHS]
    assert (miss.status, miss.hit, miss.stored, hit.hit) == (200, False, True, True)
    assert hit.body == miss.body
    assert miss.headers["Content-Type"] == hit.headers["Content-Type"] == TYPES[form]
    assert miss.headers["Content-Length"] == hit.headers["Content-Length"] == str(len(hit.body))
    assert scene.asked == asked + 1
    assert scene.toy.seen[-1].path == "/v1/audio/speech"
    assert scene.last_body() == {**ASKED, "response_format": form}


@pytest.mark.parametrize(
    "said", ["audio/L16;rate=24000;channels=1", 'audio/mp4; codecs="mp4a.40.2"', "audio/mpeg; a=(b)"]
)
async def test_what_a_type_says_beside_its_name_is_repeated(scene: Scene, said: str) -> None:
    async def spoken(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"sound", headers={"Content-Type": said})

    async with provider(spoken) as (_, base), scene.proxy(entry("m", "openai/m", base)) as client:
        miss, hit = [await speech(client, f"As {said}.", model="m") for _ in range(2)]
    assert (miss.stored, hit.hit, hit.body) == (True, True, b"sound")
    assert miss.headers["Content-Type"] == said
    assert hit.headers["Content-Type"].lower() == (said.lower() if "(" not in said else "audio/mpeg")


async def test_the_toys_wav_is_one(scene: Scene) -> None:
    spoken = [await speech(scene.client, "Two words", response_format="wav", speed=speed) for speed in (1, 2)]
    lengths = []
    for answer in spoken:
        with wave.open(io.BytesIO(answer.body)) as sound:
            assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 8000)
            lengths.append(sound.getnframes())
    assert lengths == [320, 160]


async def test_every_member_makes_another_question(scene: Scene) -> None:
    bodies: list[dict[str, Any]] = [
        {},
        {"voice": "ash"},
        {"voice": {"id": "voice_1"}},
        {"instructions": "Whisper."},
        {"response_format": "wav"},
        {"speed": 1.5},
        {"stream_format": "audio"},
        {"stream_format": "sse"},
        {"stream": True},
        {"model": "toy-other"},
        {"unheard_of": 1},
    ]
    asked = scene.asked
    answers = [await speech(scene.client, "By members.", **body) for body in bodies]
    assert scene.asked == asked + len(bodies)
    assert len({answer.key for answer in answers}) == len(bodies)
    for body, answer in zip(bodies, answers, strict=True):
        again = await speech(scene.client, "By members.", **body)
        assert (again.hit, again.body) == (True, answer.body)
        assert again.headers["Content-Type"].partition(";")[0] == answer.headers["Content-Type"].partition(";")[0]


@pytest.mark.parametrize("form", [{}, {"stream_format": "sse"}], ids=["sound", "events"])
@pytest.mark.parametrize("by", ["body", "header"])
async def test_controls_are_obeyed_and_never_reach_the_provider(scene: Scene, form: dict[str, str], by: str) -> None:
    text = f"Controlled by {by} {sorted(form)}"

    def said(control: str) -> dict[str, Any]:
        return {"cache": {control: True}} if by == "body" else {"headers": {"Cache-Control": control}}

    passed = await speech(scene.client, text, **form, **said("no-store"))
    assert (passed.stored, passed.cache["detail"]) == (False, "no-store")
    first = await speech(scene.client, text, **form)
    assert (first.hit, first.stored) == (False, True)
    anew = await speech(scene.client, text, **form, **said("no-cache"))
    assert (anew.hit, anew.stored, anew.cache["detail"]) == (False, True, "no-cache")
    assert scene.last_body() == {**ASKED, "input": text, **form}
    assert "cache-control" not in scene.toy.seen[-1].headers
    asked = scene.asked
    assert (await speech(scene.client, text, **form, **said("no-store"))).hit
    missing = await speech(scene.client, f"{text}, not kept", headers={"Cache-Control": "only-if-cached"}, **form)
    assert missing.status == 504
    assert scene.asked == asked


async def test_the_sdk_gets_the_same_sound_twice(scene: Scene, sdk: openai.AsyncOpenAI) -> None:
    asked = scene.asked
    spoken = []
    for _ in range(2):
        answer = await sdk.audio.speech.create(model="toy", input="By the SDK.", voice="coral", response_format="wav")
        spoken.append(answer.content)
    assert spoken[0] == spoken[1]
    for key in (False, True):
        async with sdk.audio.speech.with_streaming_response.create(
            model="toy",
            input="By the SDK.",
            voice="coral",
            response_format="wav",
            extra_body={"cache": {"no-cache": not key}},
        ) as streamed:
            assert ("x-litellm-cache-key" in streamed.headers) == key
            assert streamed.headers["content-type"] == "audio/wav"
            assert b"".join([piece async for piece in streamed.iter_bytes(100)]) == spoken[0]
    assert scene.asked == asked + 2


async def test_events_are_replayed_as_they_came(scene: Scene) -> None:
    whole = await speech(scene.client, "As events, or not.", response_format="wav")
    first, again = [
        await speech(scene.client, "As events, or not.", response_format="wav", stream_format="sse") for _ in range(2)
    ]
    assert (first.hit, first.stored, again.hit) == (False, True, True)
    assert again.body == first.body
    *deltas, end = map(orjson.loads, again.events)
    assert b"".join(b64decode(delta["audio"]) for delta in deltas) == whole.body
    assert end["usage"]["input_tokens"] == 4


@pytest.mark.parametrize(
    ("model", "form", "status", "detail"),
    [
        ("toy-error-429", {}, 429, "status"),
        ("toy-error-500", {"stream_format": "sse"}, 500, "status"),
        ("toy-empty", {}, 200, "empty"),
        ("toy-empty", {"stream_format": "sse"}, 200, None),
        ("toy-huge", {}, 200, "too-large"),
        ("toy-truncated", {"stream_format": "sse"}, 200, None),
    ],
)
async def test_what_is_no_speech_is_served_as_it_is_and_not_kept(
    scene: Scene, model: str, form: dict[str, str], status: int, detail: str | None
) -> None:
    asked = scene.asked
    for _ in range(2):
        answer = await speech(scene.client, "No speech.", model=model, **form)
        assert (answer.status, answer.hit, answer.cache.get("detail")) == (status, False, detail)
        assert answer.stored == (detail is None), "of a stream it is only known what is meant to be kept"
    assert scene.asked == asked + 2


@pytest.mark.parametrize(
    ("payload", "media_type"),
    [
        (b'{"error":{"message":"no such voice"}}', "application/json"),
        (b'{"error":{"message":"no such voice"}}', "audio/mpeg"),
        (b'{"detail":"no such voice"}', "application/json"),
        (b"<html>busy</html>", "text/html"),
    ],
)
async def test_an_error_with_status_200_is_not_kept(scene: Scene, payload: bytes, media_type: str) -> None:
    async def odd(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=payload, content_type=media_type)

    async with provider(odd) as (script, base), scene.proxy(entry("m", "openai/m", base)) as client:
        for _ in range(2):
            answer = await speech(client, f"An error as {media_type}.", model="m")
            assert (answer.status, answer.hit, answer.body) == (200, False, payload)
        assert len(script.seen) == 2


@pytest.mark.parametrize(
    ("more", "param"), [({"model": ""}, "model"), ({"input": ""}, "input"), ({"input": 1}, "input")]
)
async def test_bad_input_names_the_field_and_asks_nobody(scene: Scene, more: dict[str, Any], param: str) -> None:
    asked = scene.asked
    answer = await scene.client.send("POST", PATHS[0], json={**ASKED, **more})
    assert (answer.status, answer.error["param"]) == (400, param)
    assert scene.asked == asked


async def test_sound_lies_on_the_store_as_it_came(scene: Scene) -> None:
    """The way through the queue and a writer: a frontend that was not there when it was asked has only the store."""
    folder = scene.folder / "written"
    cache = f"{{type: disk, disk_cache_dir: {folder / 'kept'}}}"
    text = f"model_list:\n{EVERYTHING}\nlitellm_settings: {{cache: true, cache_params: {cache}}}\n"
    text = text.replace("{base}", scene.base)
    folder.mkdir()
    (folder / "config.yaml").write_text(text)
    arguments = ("writer", "--config", "config.yaml", "--nats", scene.nats.url)
    writer = await Process.start(*arguments, cwd=folder, env=environment())
    forms: list[dict[str, Any]] = [{"response_format": "wav"}, {"stream_format": "sse"}]
    try:
        async with solo(folder, text, scene.nats) as client:
            first = [await speech(client, "Written down.", **form) for form in forms]
        async with solo(folder, text, scene.nats) as client:

            async def written() -> bool:
                only = {"Cache-Control": "only-if-cached"}
                return all([(await speech(client, "Written down.", headers=only, **form)).hit for form in forms])

            assert await eventually(written)
        async with solo(folder, text, scene.nats) as client:
            for form, miss in zip(forms, first, strict=True):
                hit = await speech(client, "Written down.", **form)
                assert (hit.hit, hit.cache["detail"], hit.body) == (True, "disk", miss.body)
                assert hit.headers["Content-Type"] == miss.headers["Content-Type"]
    finally:
        await writer.stop()
