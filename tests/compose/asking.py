"""Clients of a stack: the OpenAI SDK, without retries of its own, and load that says what became of each question."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx
import openai

WORKERS: Final = 12
_PAUSE: Final = 0.02  # seconds between two questions of one worker


@asynccontextmanager
async def client(url: str, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """Each request on a connection of its own, so that the balancer places each."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with (
        httpx.AsyncClient(limits=limits, timeout=60) as http,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, http_client=http) as made,
    ):
        yield made


async def ask(sdk: openai.AsyncOpenAI, text: str) -> str:
    """What Cache-Status says of a plain answer."""
    raw = await sdk.chat.completions.with_raw_response.create(model="toy", messages=[{"role": "user", "content": text}])
    assert raw.parse().choices[0].message.content, text
    return raw.headers["cache-status"]


async def stream(sdk: openai.AsyncOpenAI, text: str, began: Callable[[], None] = lambda: None) -> str:
    """The same of a streamed one, read to its end; `began` is called when its head is there."""
    raw = await sdk.chat.completions.with_raw_response.create(
        model="toy", messages=[{"role": "user", "content": text}], stream=True
    )
    began()
    ends = [choice.finish_reason async for chunk in raw.parse() for choice in chunk.choices]
    assert ends[-1] == "stop", text
    return raw.headers["cache-status"]


@dataclass(slots=True)
class Load:
    """What was asked so far. `begun` are streams that broke off after their head, `failed` all else that failed, with
    the error; nobody but the death of a frontend breaks a stream.
    """

    plain: list[str] = field(default_factory=list)
    streamed: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def answered(self) -> list[str]:
        return [*self.plain, *self.streamed]


@asynccontextmanager
async def load(url: str, key: str, name: str) -> AsyncIterator[Load]:
    """New questions, half of them streamed, until the end of the block; those under way then are waited for."""
    made, numbers, over = Load(), itertools.count(), asyncio.Event()

    async def work(sdk: openai.AsyncOpenAI) -> None:
        while not over.is_set():
            number = next(numbers)
            await _one(sdk, f"{name}, question {number}", made, streamed=number % 2 == 1)
            await asyncio.sleep(_PAUSE)

    async with client(url, key) as sdk, asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work(sdk))
        try:
            yield made
        finally:
            over.set()


async def _one(sdk: openai.AsyncOpenAI, text: str, made: Load, *, streamed: bool) -> None:
    heads: list[str] = []
    try:
        if streamed:
            await stream(sdk, text, lambda: heads.append(text))
        else:
            await ask(sdk, text)
    except (openai.APIError, httpx.HTTPError) as error:
        (made.begun if heads else made.failed).append(f"{text}: {error!r}")
    else:
        (made.streamed if streamed else made.plain).append(text)
