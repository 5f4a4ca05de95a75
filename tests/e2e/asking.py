"""A client for tests: one short way to ask each of the cached routes, and what came back, taken apart."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from askonce.core.key import CacheKey
from askonce.core.sse import DONE, SseParser
from tests.e2e.fields import Item, Token, read_list

PATHS = {
    "completion": "/chat/completions",
    "text_completion": "/completions",
    "embedding": "/embeddings",
    "transcription": "/audio/transcriptions",
}
CALL_TYPES = tuple(PATHS)
"""The routes whose answers are all JSON, and whose errors have OpenAI's shape."""
EVERY_PATH = PATHS | {
    "responses": "/responses",
    "anthropic_messages": "/messages",
    "rerank": "/rerank",
    "speech": "/audio/speech",
}
EVERY_TYPE = tuple(EVERY_PATH)
OF_JSON = tuple(name for name in EVERY_TYPE if name != "transcription")
"""The routes that take JSON and no form."""
COUNTED = tuple(f"/v1{path}" for path in PATHS.values())


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def said(self) -> Any:
        """What it says, however the JSON is written; of sound, its bytes."""
        return self.json if self.headers["Content-Type"].startswith("application/json") else self.body

    @property
    def error(self) -> dict[str, Any]:
        """The error in OpenAI's shape, its four members and no other."""
        read = self.json
        assert list(read) == ["error"], read
        error: dict[str, Any] = read["error"]
        assert set(error) == {"message", "type", "param", "code"}, error
        assert isinstance(error["message"], str)
        assert error["message"]
        assert self.headers["Content-Type"].startswith("application/json")
        return error

    @property
    def cache(self) -> dict[str, Any]:
        """The parameters of Cache-Status, whose one item is this cache; parsed strictly."""
        items = read_list(self.headers["Cache-Status"])
        assert items == [Item(Token("askonce"), items[0].parameters)]
        told = items[0].parameters
        assert ("hit" in told) + ("fwd" in told) <= 1, "RFC 9211 2.2: never both"
        return told

    @property
    def hit(self) -> bool:
        """Whether it is a hit; what goes with one, and with nothing else, is checked on the way."""
        hit = self.cache.get("hit") is True
        assert hit == ("x-litellm-cache-key" in self.headers) == ("Age" in self.headers)
        if hit:
            assert self.status == 200
            assert self.headers["x-litellm-cache-key"] == self.cache["key"]
            assert int(self.headers["Age"]) >= 0
        return hit

    @property
    def stored(self) -> bool:
        return self.cache.get("stored") is True

    @property
    def key(self) -> CacheKey:
        key = CacheKey.parse(self.cache["key"])
        assert key is not None
        return key

    @property
    def events(self) -> list[bytes]:
        """The data of the stream's events, which end with [DONE] where the route has one."""
        assert self.headers["Content-Type"].startswith("text/event-stream")
        parser = SseParser()
        found = [event.data for event in parser.feed(self.body) if event.data]
        assert parser.rest == b""
        return found

    @property
    def chunks(self) -> list[dict[str, Any]]:
        events = self.events
        assert events[-1] == DONE
        return [orjson.loads(event) for event in events[:-1]]


class Client:
    """Asks one proxy. `url` is without /v1."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def ask(self, call_type: str, text: str, cache: object = None, **more: Any) -> Answer:
        """`more` are members of the body; what starts with `header_` is a request header (`header_cache_control`)."""
        headers = {
            name.removeprefix("header_").replace("_", "-"): more.pop(name)
            for name in list(more)
            if name.startswith("header_")
        }
        if cache is not None:
            more["cache"] = cache
        path = f"/v1{EVERY_PATH[call_type]}"
        if call_type == "transcription":
            return await self.send("POST", path, data=form(text, **more), headers=headers)
        return await self.send("POST", path, json=body(call_type, text, **more), headers=headers)

    async def chat(self, text: str, cache: object = None, **more: Any) -> Answer:
        return await self.ask("completion", text, cache, **more)

    async def send(self, method: str, path: str, **how: Any) -> Answer:
        async with self.session.request(method, self.url + path, allow_redirects=False, **how) as answer:
            return Answer(answer.status, answer.headers.copy(), await answer.read())

    async def hits(self, call_type: str, text: str, **more: Any) -> bool:
        """Whether asking again is a hit, without asking anybody else."""
        answer = await self.ask(call_type, text, header_cache_control="only-if-cached", **more)
        assert answer.hit or answer.status == 504
        return answer.hit


def body(call_type: str, text: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    questions: dict[str, dict[str, Any]] = {
        "completion": {"messages": messages},
        "text_completion": {"prompt": text},
        "embedding": {"input": text},
        "responses": {"input": text},
        "anthropic_messages": {"messages": messages, "max_tokens": 64},
        "rerank": {"query": text, "documents": ["nobody", text]},
        "speech": {"input": text, "voice": "alloy"},
    }
    said = questions[call_type]
    return {"model": "toy", **said, **more}


def form(text: str, **more: Any) -> aiohttp.FormData:
    """A transcription's form; whatever is no text goes in as JSON, as curl users write it."""
    data = aiohttp.FormData()
    for name, value in {"model": "toy", **more}.items():
        data.add_field(name, value if isinstance(value, str) else orjson.dumps(value).decode())
    data.add_field("file", text.encode(), filename="speech.wav", content_type="audio/wav")
    return data


async def raw(url: str, data: bytes, *, half_close: bool = False) -> bytes:
    """Everything that comes back on one connection for these bytes, up to its end by the server."""
    host, _, port = url.removeprefix("http://").partition(":")
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        if half_close:
            writer.write_eof()
        received = await reader.read()
        writer.close()
    return received
