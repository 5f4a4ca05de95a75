"""The whole proxy over one store after another, and questions that the real OpenAI SDK asks it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import openai
import pytest
import pytest_asyncio

from askonce.toy.provider import Toy
from tests.e2e.asking import Client
from tests.e2e.stack import Process, config, toy_provider, up
from tests.servers import Valkey

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
