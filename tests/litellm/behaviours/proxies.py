"""A proxy that reads LiteLLM's configuration: askonce, or LiteLLM itself, before one provider and one Redis. The tests
beside this file know neither by name.
"""

import itertools
import os
import socket
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import redis
from aiohttp import web
from aiohttp.typedefs import Handler

from askonce.core.sse import SseParser
from askonce.toy.provider import Toy, serving
from tests.e2e.stack import up
from tests.servers import Child, Valkey

KEY: Final = "sk-of-the-tests-0123456789abcdef0123456789"
_LITELLM: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "NO_DOCS": "True",
    "DISABLE_ADMIN_UI": "True",
    "HF_HUB_OFFLINE": "1",
}
_NUMBERS: Final = itertools.count()
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def fresh(text: str = "Say this is a test") -> str:
    """A text that no test has asked before."""
    return f"{text} {next(_NUMBERS)} of {os.getpid()}"


class Provider(Toy):
    """The toy, and before it whatever it is told to answer next on a route."""

    def __init__(self) -> None:
        super().__init__(latency=0.0, pace=0.0, clock=time.time)
        self.next: defaultdict[str, deque[Answering]] = defaultdict(deque)

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.append(self._scripted)
        return app

    def says(self, path: str, body: object, status: int = 200, *, times: int = 1) -> None:
        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.json_response(body, status=status)

        self.next[path].extend([answer] * times)

    def streams(self, path: str, *events: object) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            for event in (*events, "[DONE]"):
                data = event if isinstance(event, str) else orjson.dumps(event).decode()
                await response.write(f"data: {data}\n\n".encode())
            return response

        self.next[path].append(answer)

    @web.middleware
    async def _scripted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        waiting = self.next[request.path]
        return await (waiting.popleft()(request) if waiting else handler(request))


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def key(self) -> str | None:
        """The only sign of a hit that LiteLLM sends."""
        return self.headers.get("x-litellm-cache-key")

    @property
    def events(self) -> list[dict[str, Any]]:
        data = [event.data for event in SseParser().feed(self.body) if event.data]
        return [orjson.loads(one) for one in data if one != b"[DONE]"]

    @property
    def said(self) -> str:
        """The text of a streamed chat."""
        deltas = [choice["delta"] for event in self.events for choice in event["choices"]]
        return "".join(delta.get("content") or "" for delta in deltas)


@dataclass
class Proxy:
    """`store` is the Redis behind it, `server` the process of that."""

    url: str
    session: aiohttp.ClientSession
    provider: Provider
    server: Valkey
    store: "redis.Redis[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        self.store = redis.Redis(port=self.server.port)

    async def send(self, method: str, path: str, **how: Any) -> Answer:
        headers = {"Authorization": f"Bearer {KEY}", **how.pop("headers", {})}
        async with self.session.request(method, self.url + path, headers=headers, **how) as answer:
            return Answer(answer.status, answer.headers.copy(), await answer.read())

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        return await self.send("POST", path, json=body)

    async def chat(self, text: str, **more: Any) -> Answer:
        messages = [{"role": "user", "content": text}]
        return await self.post("/v1/chat/completions", {"model": "toy", "messages": messages, **more})

    def asked(self, path: str = "/v1/chat/completions") -> int:
        return self.provider.calls[path]


def config(base: str, redis_port: int) -> str:
    root = base.removesuffix("/v1")
    return f"""
model_list:
  - {{model_name: toy, litellm_params: {{model: openai/toy, api_base: "{base}", api_key: sk-provider}}}}
  - {{model_name: toy-b, litellm_params: {{model: openai/toy-b, api_base: "{base}", api_key: sk-provider}}}}
  - {{model_name: toy-text, litellm_params: {{model: text-completion-openai/toy, api_base: "{base}", api_key: sk-p}}}}
  - model_name: toy-embedding
    litellm_params: {{model: openai/text-embedding-3-small, api_base: "{base}", api_key: sk-provider}}
  - {{model_name: toy-transcribe, litellm_params: {{model: openai/toy-transcribe, api_base: "{base}", api_key: sk-p}},
      model_info: {{mode: audio_transcription}}}}
  - {{model_name: toy-rerank, litellm_params: {{model: hosted_vllm/toy-rerank, api_base: "{base}", api_key: sk-p}}}}
  - {{model_name: claude, litellm_params: {{model: anthropic/claude-toy, api_base: "{root}", api_key: sk-p}}}}
litellm_settings:
  num_retries: 0
  cache: true
  cache_params: {{type: redis, host: 127.0.0.1, port: {redis_port}}}
router_settings: {{num_retries: 0, disable_cooldowns: true}}
general_settings: {{master_key: {KEY}, disable_spend_logs: true}}
"""


class _LiteLLM(Child):
    """The program `binary`, which serves after some ten seconds."""

    start_within = 120.0

    def __init__(self, binary: str, folder: Path) -> None:
        super().__init__(folder, None)
        self._binary = binary

    def command(self) -> list[str]:
        here = ["--host", "127.0.0.1", "--port", str(self.port), "--num_workers", "1"]
        return [self._binary, "--config", str(self.folder / "config.yaml"), *here]

    def environment(self) -> dict[str, str]:
        return {**os.environ, **_LITELLM}

    def greeted(self, link: socket.socket) -> bool:
        link.sendall(b"GET /health/liveliness HTTP/1.0\r\n\r\n")
        return b" 200 " in link.recv(64)


@asynccontextmanager
async def proxy(folder: Path, litellm: str | None) -> AsyncIterator[Proxy]:
    """askonce, or the LiteLLM at this path."""
    server = Valkey(folder / "redis")
    server.start()
    provider = Provider()
    try:
        async with serving(provider) as base, aiohttp.ClientSession() as session:
            text = config(base, server.port)
            async with _litellm(folder, text, litellm) if litellm else _askonce(folder, text) as url:
                yield Proxy(url, session, provider, server)
    finally:
        server.stop()


@asynccontextmanager
async def _askonce(folder: Path, text: str) -> AsyncIterator[str]:
    async with up(folder / "askonce", text, "--frontends", "1") as (url, _):
        yield url


@asynccontextmanager
async def _litellm(folder: Path, text: str, binary: str) -> AsyncIterator[str]:
    child = _LiteLLM(binary, folder / "litellm")
    (child.folder / "config.yaml").write_text(text)
    child.start()
    try:
        yield f"http://127.0.0.1:{child.port}"
    finally:
        child.stop()
