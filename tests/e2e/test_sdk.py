"""The whole proxy before the real OpenAI SDK, over every store: what is asked twice is answered once, and alike."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import openai
import orjson
import pytest
import pytest_asyncio

from askonce.toy.provider import Toy
from tests.e2e.asking import CALL_TYPES, Answer, Client
from tests.e2e.stack import Process, config, toy_provider, up
from tests.servers import Valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")

STORES = {
    "local": "{type: local}",
    "disk": "{type: disk, disk_cache_dir: answers}",
    "redis": "{type: redis, host: 127.0.0.1, port: %d}",
}


@dataclass
class Scene:
    """`askonce up` with two frontends and two writers, which can be ended and started again over the same store."""

    store: str
    toy: Toy
    start: Callable[[], AbstractAsyncContextManager[tuple[str, Process]]]
    url: str = ""
    _running: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def restart(self) -> None:
        await self.stop()
        self.url, _ = await self._running.enter_async_context(self.start())
        self.client = await self._running.enter_async_context(
            openai.AsyncOpenAI(api_key="sk-any", base_url=f"{self.url}/v1", max_retries=0)
        )
        self.other = self._running.enter_context(
            openai.OpenAI(api_key="sk-any-other", base_url=f"{self.url}/v1", max_retries=0)
        )
        session = await self._running.enter_async_context(aiohttp.ClientSession())
        self.raw = Client(session, self.url)

    async def stop(self) -> None:
        await self._running.aclose()

    @property
    def asked(self) -> int:
        return sum(self.toy.calls.values())


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(STORES))
async def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    store = str(request.param)
    folder = tmp_path_factory.mktemp(store)
    params = STORES[store]
    async with AsyncExitStack() as stack:
        toy, base = await stack.enter_async_context(toy_provider())
        if store == "redis":
            valkey = Valkey(folder / "valkey")
            valkey.start()
            stack.callback(valkey.stop)
            params = params % valkey.port
        # A busy machine must not turn a slow read into a miss.
        text = config(base, f"  cache: true\n  cache_params: {params}\n", "askonce: {store_deadline: 10}")
        scene = Scene(store, toy, lambda: up(folder, text, "--frontends", "2", "--writers", "2"))
        await scene.restart()
        stack.push_async_callback(scene.stop)
        yield scene


QUESTION: dict[str, Any] = {"model": "toy", "messages": [{"role": "user", "content": "What is kept?"}]}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
        },
    }
]
CHATS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tools": {"tools": TOOLS},
    "two choices": {"n": 2},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "settings": {"max_completion_tokens": 500, "temperature": 0.5, "seed": 0},
    "two tools": {"tools": TOOLS, "n": 2, "tool_choice": "required"},
}
TEXTS: dict[str, dict[str, Any]] = {"plain": {}, "two choices": {"n": 2, "logprobs": 1, "seed": 5}}
EMBEDDINGS: dict[str, dict[str, Any]] = {
    "as the SDK asks": {"input": ["one", "two", "three"]},
    "as numbers": {"input": ["one", "two", "three"], "encoding_format": "float"},
    "one text": {"input": "one text", "dimensions": 8},
    "tokens": {"input": [1, 2, 3]},
    "lists of tokens": {"input": [[1, 2, 3], [4]], "encoding_format": "base64"},
}
FORMATS = ("json", "verbose_json", "text", "srt", "vtt")

Ask = Callable[[Any], Any]


async def twice(scene: Scene, ask: Ask) -> tuple[Any, Any]:
    """The answers to one question, by the asynchronous client and then, in a thread, by the other one."""
    asked = scene.asked
    first = await ask(scene.client)
    second = await asyncio.to_thread(ask, scene.other)
    assert scene.asked == asked + 1
    assert "x-litellm-cache-key" not in first.headers
    assert "x-litellm-cache-key" in second.headers
    assert first.headers["content-type"].split(";")[0] == second.headers["content-type"].split(";")[0]
    return first.parse(), second.parse()


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


async def streamed(client: openai.AsyncOpenAI, **more: Any) -> tuple[list[Any], bool]:
    """The chunks of a chat, and whether they were a hit."""
    raw = await client.chat.completions.with_raw_response.create(**QUESTION, **more, stream=True)
    return [chunk async for chunk in raw.parse()], "x-litellm-cache-key" in raw.headers


def streamed_by_thread(client: openai.OpenAI, **more: Any) -> tuple[list[Any], bool]:
    raw = client.chat.completions.with_raw_response.create(**QUESTION, **more, stream=True)
    return list(raw.parse()), "x-litellm-cache-key" in raw.headers


async def final(client: openai.AsyncOpenAI, **more: Any) -> Any:
    """A streamed chat as the SDK itself puts it together."""
    async with client.chat.completions.stream(**QUESTION, **more, stream_options={"include_usage": True}) as stream:
        return await stream.get_final_completion()


def told(completion: Any) -> list[Any]:
    """What a whole answer and a stream of the same entry must agree in."""
    choices = [
        (
            choice.index,
            choice.finish_reason,
            choice.message.content or None,
            choice.message.refusal,
            [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls or []],
            None if choice.logprobs is None else [token.model_dump() for token in choice.logprobs.content],
        )
        for choice in completion.choices
    ]
    return [completion.id, completion.model, completion.created, choices, completion.usage.model_dump()]


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
    for told in (first, second):
        assert "".join(event.delta for event in told[:-1]) == plain.text
        assert told[-1].text == plain.text
        assert plain.usage is not None
        assert told[-1].usage.model_dump() == plain.usage.model_dump()
    assert scene.asked == asked + 1


def without_provider_headers(hit: Answer) -> bool:
    ours = {"content-type", "content-length", "cache-status", "age", "x-litellm-cache-key", "date"}
    return {name.lower() for name in hit.headers} <= ours


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
