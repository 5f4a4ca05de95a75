"""The whole proxy before the real OpenAI SDK, over every store: what is asked twice is answered once, and alike."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import openai
import orjson
import pytest

from tests.e2e import sdk
from tests.e2e.asking import CALL_TYPES, Answer, Client
from tests.e2e.sdk import (
    CHATS,
    EMBEDDINGS,
    FORMATS,
    QUESTION,
    TEXTS,
    Scene,
    final,
    streamed,
    streamed_by_thread,
    told,
    twice,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = sdk.scene


async def test_an_answer_cut_short_is_an_answer(scene: Scene) -> None:
    first, second = await twice(
        scene, lambda client: client.chat.completions.with_raw_response.create(**QUESTION, max_completion_tokens=5)
    )
    assert second.model_dump() == first.model_dump()
    assert second.choices[0].finish_reason == "length"


@pytest.mark.parametrize("case", CHATS)
async def test_chat(scene: Scene, case: str) -> None:
    first, second = await twice(
        scene, lambda client: client.chat.completions.with_raw_response.create(**QUESTION, **CHATS[case], user=case)
    )
    assert second.model_dump() == first.model_dump()
    assert len(first.choices) == CHATS[case].get("n", 1)
    assert bool(first.choices[0].message.tool_calls) == ("tools" in CHATS[case])


@pytest.mark.parametrize("case", TEXTS)
async def test_text_completions(scene: Scene, case: str) -> None:
    first, second = await twice(
        scene,
        lambda client: client.completions.with_raw_response.create(model="toy", prompt="Once", **TEXTS[case]),
    )
    assert second.model_dump() == first.model_dump()
    assert first.choices[0].text


@pytest.mark.parametrize("case", EMBEDDINGS)
async def test_embeddings(scene: Scene, case: str) -> None:
    first, second = await twice(
        scene, lambda client: client.embeddings.with_raw_response.create(model="toy", user=case, **EMBEDDINGS[case])
    )
    assert second.model_dump(warnings=False) == first.model_dump(warnings=False)
    assert [item.index for item in second.data] == list(range(len(second.data)))


async def test_embeddings_of_both_encodings_are_the_same_numbers(scene: Scene) -> None:
    forms: list[dict[str, Any]] = [{}, {"encoding_format": "float"}] * 2
    answers = [await scene.client.embeddings.create(model="toy", input=["x", "y"], **form) for form in forms]
    assert all(item.embedding == answers[0].data[item.index].embedding for answer in answers for item in answer.data)


@pytest.mark.parametrize("form", FORMATS)
async def test_transcriptions(scene: Scene, form: str) -> None:
    first, second = await twice(
        scene,
        lambda client: client.audio.transcriptions.with_raw_response.create(
            model="toy", file=("speech.wav", b"RIFF" + form.encode(), "audio/wav"), response_format=form, language="en"
        ),
    )
    dumped = [one if isinstance(one, str) else one.model_dump() for one in (first, second)]
    assert dumped[0] == dumped[1]
    assert dumped[0]


@pytest.mark.parametrize("case", CHATS)
@pytest.mark.parametrize("begin", ["by a stream", "by a plain ask"])
async def test_streamed_and_plain_are_one_entry(scene: Scene, case: str, begin: str) -> None:
    more = {**CHATS[case], "user": f"{case} {begin}"}

    async def plain() -> Any:
        return await scene.client.chat.completions.create(**QUESTION, **more)

    async def stream() -> Any:
        return await final(scene.client, **more)

    asked = scene.asked
    order: list[Callable[[], Awaitable[Any]]] = [stream, plain, stream]
    answers = [await ask() for ask in (order if begin == "by a stream" else [plain, *order])]
    assert scene.asked == asked + 1
    assert all(told(answer) == told(answers[0]) for answer in answers)
    chunks, hit = await streamed(scene.client, **more)
    assert hit
    assert all(chunk.usage is None for chunk in chunks), "not asked for"
    assert ({choice.index for chunk in chunks for choice in chunk.choices}) == set(range(CHATS[case].get("n", 1)))
    in_thread, hit = await asyncio.to_thread(streamed_by_thread, scene.other, **more)
    assert hit
    assert [chunk.model_dump() for chunk in in_thread] == [chunk.model_dump() for chunk in chunks]


async def test_usage_is_withheld_from_who_did_not_ask_for_it(scene: Scene) -> None:
    missed, hit = await streamed(scene.client, user="withheld")
    assert not hit
    assert all(chunk.usage is None and chunk.choices for chunk in missed)
    counted, hit = await streamed(scene.client, user="withheld", stream_options={"include_usage": True})
    assert hit
    assert [chunk.usage is not None for chunk in counted] == [False] * (len(counted) - 1) + [True]


async def test_text_completions_as_streams(scene: Scene) -> None:
    async def text() -> str:
        stream = await scene.client.completions.create(model="toy", prompt="As a stream", stream=True)
        return "".join([chunk.choices[0].text async for chunk in stream])

    asked = scene.asked
    texts = [await text(), await text()]
    plain = await scene.client.completions.create(model="toy", prompt="As a stream")
    assert texts == [plain.choices[0].text] * 2
    assert scene.asked == asked + 1


async def test_transcriptions_as_streams(scene: Scene) -> None:
    file = ("speech.wav", b"RIFF as a stream", "audio/wav")

    async def events() -> list[Any]:
        stream = await scene.client.audio.transcriptions.create(model="toy", file=file, stream=True)
        return [event async for event in stream]

    asked = scene.asked
    first, second = await events(), await events()
    plain = await scene.client.audio.transcriptions.create(model="toy", file=file)
    for heard in (first, second):
        assert "".join(event.delta for event in heard[:-1]) == plain.text
        assert heard[-1].text == plain.text
        assert plain.usage is not None
        assert heard[-1].usage.model_dump() == plain.usage.model_dump()
    assert scene.asked == asked + 1


def without_provider_headers(hit: Answer) -> bool:
    ours = {"content-type", "content-length", "cache-status", "age", "x-litellm-cache-key", "date"}
    costs_nothing = hit.headers.getall("x-litellm-response-cost") == ["0.0"]
    return costs_nothing and {name.lower() for name in hit.headers} <= ours | {"x-litellm-response-cost"}


@pytest.mark.parametrize("call_type", CALL_TYPES)
async def test_every_frontend_hits_at_once(scene: Scene, call_type: str) -> None:
    first = await scene.raw.ask(call_type, "by everybody")
    assert first.cache == {"fwd": "miss", "stored": True, "key": first.cache["key"]} | (
        {} if scene.store == "disk" else {"ttl": {"local": 600, "redis": 86400}[scene.store]}
    )
    for name in ("x-request-id", "openai-processing-ms", "openai-version", "x-ratelimit-remaining-requests"):
        assert name in first.headers
    assert "set-cookie" not in first.headers

    async def anew() -> Answer:
        async with aiohttp.ClientSession() as session:
            return await Client(session, scene.url).ask(call_type, "by everybody")

    for hit in await asyncio.gather(*(anew() for _ in range(12))):
        assert hit.hit
        assert hit.key == first.key
        assert hit.json == first.json
        assert without_provider_headers(hit)


@pytest.mark.parametrize("call_type", ["completion", "text_completion"])
async def test_a_streamed_miss_is_a_hit_at_once_for_everybody(scene: Scene, call_type: str) -> None:
    first = await scene.raw.ask(call_type, "by everybody, streamed", stream=True)
    assert first.stored

    async def anew(stream: bool) -> Answer:
        async with aiohttp.ClientSession() as session:
            return await Client(session, scene.url).ask(call_type, "by everybody, streamed", stream=stream)

    hits = await asyncio.gather(*(anew(stream=number % 2 == 0) for number in range(12)))
    for number, hit in enumerate(hits):
        assert hit.hit
        assert without_provider_headers(hit)
        assert hit.body == hits[number % 2].body
    assert hits[0].chunks[0]["id"] == first.chunks[0]["id"] == hits[1].json["id"]


async def test_errors_reach_the_sdk_as_the_providers(scene: Scene) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        await scene.client.chat.completions.create(**QUESTION | {"model": "toy-error-429"})
    assert limited.value.code == "toy-error-429"
    assert limited.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.InternalServerError):
        await scene.client.chat.completions.create(**QUESTION | {"model": "toy-error-500"}, stream=True)
    with pytest.raises(openai.NotFoundError):
        await scene.client.images.generate(prompt="none")
    with pytest.raises(openai.APIError):
        stream = await scene.client.chat.completions.create(**QUESTION | {"model": "toy-stream-error"}, stream=True)
        assert [chunk async for chunk in stream] == []


async def test_the_cache_can_be_tried(scene: Scene) -> None:
    answer = await scene.raw.send("GET", "/cache/ping")
    assert answer.status == 200, answer.body
    assert answer.json["status"] == "healthy"
    assert answer.json["cache_type"] == scene.store


async def test_after_a_restart_what_lies_on_a_store_is_still_there(scene: Scene) -> None:
    """The last test of a store: it starts the proxy anew."""
    before = {call_type: await scene.raw.ask(call_type, "through a restart") for call_type in CALL_TYPES}
    await scene.raw.chat("through a restart, streamed", stream=True)
    await scene.restart()
    asked = scene.asked
    for call_type, first in before.items():
        again = await scene.raw.ask(call_type, "through a restart")
        assert again.hit == (scene.store != "local")
        if again.hit:
            assert again.cache["detail"] == scene.store
            assert again.json == first.json
            assert without_provider_headers(again)
        in_memory = [await scene.raw.ask(call_type, "through a restart") for _ in range(2)]
        assert all(answer.hit for answer in in_memory)
    if scene.store != "local":
        streamed = await scene.raw.chat("through a restart, streamed", stream=True)
        assert streamed.hit
        assert (await scene.raw.chat("through a restart, streamed")).hit
        assert scene.asked == asked
        assert orjson.loads(streamed.events[0])["object"] == "chat.completion.chunk"
