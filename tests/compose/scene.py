"""What a busy day does to a stack, in minutes: the config.yaml of it, two teams, and traffic of every kind there is.

It is bounded: eight workers, a pause after each request. It knows no panel; that each has data is seen by `panels`.
"""

import asyncio
import os
import random
import signal
from contextlib import suppress
from typing import Any, Final

import aiohttp
import nats

from tests.compose.stack import Stack

CONFIG: Final = """
model_list:
  - model_name: small
    litellm_params: &toy
      model: openai/toy
      api_base: http://toy:4010/v1
      api_key: nothing-to-guard
      input_cost_per_token: 0.00000015
      output_cost_per_token: 0.0000006
  - model_name: large
    litellm_params: {<<: *toy, model: openai/toy-large, input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001}
  - model_name: group
    litellm_params: {<<: *toy, model: openai/toy-group}
  - model_name: group
    litellm_params: {<<: *toy, model: openai/toy-error-503}
  - model_name: falling
    litellm_params: {<<: *toy, model: openai/toy-error-500}
  - model_name: busy
    litellm_params: {<<: *toy, model: openai/toy-error-429}
  - model_name: empty
    litellm_params: {<<: *toy, model: openai/toy-empty}
  - model_name: unpriced
    litellm_params: {model: openai/toy-unpriced, api_base: http://toy:4010/v1, api_key: nothing-to-guard}
  - model_name: embedding
    litellm_params: {<<: *toy, model: openai/toy-embedding, input_cost_per_token: 0.00000002}
  - model_name: words
    litellm_params: {<<: *toy, model: openai/toy-embedding-words}

litellm_settings:
  cache: true
  cache_params:
    type: redis-semantic
    host: redis
    password: os.environ/REDIS_PASSWORD
    similarity_threshold: 0.8
    redis_semantic_cache_embedding_model: words
    ttl: 86400

router_settings:
  allowed_fails: 1
  cooldown_time: 10
  fallbacks: [{falling: [small]}]

askonce:
  store_deadline: 0.25
"""

_WORKERS: Final = 8
_PAUSE: Final = 0.15  # seconds after each request of one worker
_THINGS: Final = (
    "rivers",
    "mountains",
    "lakes",
    "islands",
    "deserts",
    "forests",
    "cities",
    "bridges",
    "castles",
    "ports",
)
_PLACES: Final = ("Norway", "Chile", "Kenya", "Japan", "Canada", "Spain", "India", "Peru", "Greece", "Iceland")
_WAYS: Final = ("Which {} of {} are best known?", "Which {} of {} are best known to people?", "Tell me of 7 {} in {}.",
                "Tell me of 9 {} in {}.")  # fmt: skip
_NOT_AWAY: Final = 0.6  # of the time the store is well, before and after it is stopped


class Scene:
    """Traffic for a stack with CONFIG."""

    def __init__(self, stack: Stack, seed: int = 7) -> None:
        self._stack = stack
        self._chance = random.Random(seed)
        self._keys: list[str] = []
        self._fresh = 0
        self.asked = 0

    async def play(self, seconds: float) -> None:
        """All of it, spread over this time; ends when the last request has its answer."""
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await self._make_keys(session)
            ends = asyncio.get_running_loop().time() + seconds
            async with asyncio.TaskGroup() as group:
                for _ in range(_WORKERS):
                    group.create_task(self._work(session, ends))
                group.create_task(self._trouble(seconds))

    async def _make_keys(self, session: aiohttp.ClientSession) -> None:
        for team, limit in (("search", None), ("support", None), ("trials", 20)):
            terms = {"team_id": team, "team_alias": team, **({} if limit is None else {"rpm_limit": limit})}
            await self._master(session, "/team/new", terms)
            made = await self._master(session, "/key/generate", {"team_id": team})
            self._keys.append(made["key"])

    async def _master(self, session: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self._stack.key}"}
        async with session.post(f"{self._stack.url}{path}", json=body, headers=headers) as answer:
            assert answer.status == 200, (path, answer.status, await answer.text())
            return await answer.json()

    async def _work(self, session: aiohttp.ClientSession, ends: float) -> None:
        kinds = {
            self._chat: 50, self._stream: 20, self._embed: 10, self._fails: 8, self._completion: 6, self._bypass: 3,
            self._refused: 1, self._deletes: 2,
        }  # fmt: skip
        while asyncio.get_running_loop().time() < ends:
            [kind] = self._chance.choices(list(kinds), list(kinds.values()))
            with suppress(aiohttp.ClientError, TimeoutError):  # a stopped store or a broken stream is part of the scene
                await kind(session)
            self.asked += 1
            await asyncio.sleep(_PAUSE)

    def _question(self) -> str:
        """Some are asked again and again, some in other words, some once."""
        self._fresh += 1
        if self._chance.random() < 0.2:
            return f"Tell me a story of the number {self._fresh}."
        at = int(self._chance.paretovariate(0.9)) % 100
        return self._chance.choice(_WAYS).format(_THINGS[at % 10], _PLACES[at // 10])

    def _key(self) -> str:
        return self._chance.choices(self._keys, (6, 4, 1))[0]

    def _model(self) -> str:
        return self._chance.choices(("small", "large", "group", "unpriced"), (10, 6, 5, 1))[0]

    async def _post(self, session: aiohttp.ClientSession, path: str, body: dict[str, Any], key: str = "") -> None:
        headers = {"Authorization": f"Bearer {key or self._key()}"}
        async with session.post(f"{self._stack.url}/v1/{path}", json=body, headers=headers) as answer:
            await answer.read()

    def _said(self, **more: Any) -> dict[str, Any]:
        return {"model": self._model(), "messages": [{"role": "user", "content": self._question()}], **more}

    async def _chat(self, session: aiohttp.ClientSession) -> None:
        await self._post(session, "chat/completions", self._said())

    async def _stream(self, session: aiohttp.ClientSession) -> None:
        await self._post(session, "chat/completions", self._said(stream=True))

    async def _completion(self, session: aiohttp.ClientSession) -> None:
        await self._post(session, "completions", {"model": "small", "prompt": self._question()})

    async def _embed(self, session: aiohttp.ClientSession) -> None:
        await self._post(session, "embeddings", {"model": "embedding", "input": [self._question() for _ in range(4)]})

    async def _fails(self, session: aiohttp.ClientSession) -> None:
        model = self._chance.choice(("falling", "busy", "empty"))
        await self._post(session, "chat/completions", self._said() | {"model": model})

    async def _bypass(self, session: aiohttp.ClientSession) -> None:
        control = self._chance.choice(({"no-cache": True}, {"no-store": True}, {"no-cache": True, "no-store": True}))
        await self._post(session, "chat/completions", self._said(cache=control))

    async def _refused(self, session: aiohttp.ClientSession) -> None:
        await self._post(session, "chat/completions", self._said(), key="sk-of-nobody")

    async def _deletes(self, session: aiohttp.ClientSession) -> None:
        headers = {"Authorization": f"Bearer {self._stack.key}"}
        body = self._said()
        async with session.post(f"{self._stack.url}/v1/chat/completions", json=body, headers=headers) as answer:
            key = answer.headers.get("x-litellm-cache-key")
        if key is None:
            return
        url = f"{self._stack.url}/cache/delete"
        async with session.post(url, json={"keys": [key]}, headers=headers) as answer:
            assert answer.status in {200, 503}, answer.status  # the latter while the store is stopped

    async def _trouble(self, seconds: float) -> None:
        """One message that no writer can read; then a store that answers nothing for a while."""
        await self._poison()
        await asyncio.sleep(seconds * _NOT_AWAY)
        [redis] = self._stack.names("redis")
        pid = self._stack.pid(redis)
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(min(12.0, seconds * 0.1))
        finally:
            os.kill(pid, signal.SIGCONT)

    async def _poison(self) -> None:
        [name] = self._stack.names("nats")
        link = await nats.connect(
            f"nats://{self._stack.address(name)}:4222", user="admin",
            password=self._stack.secret("nats_admin_password"),
        )  # fmt: skip
        try:
            for number in range(3):
                await link.jetstream().publish("askonce.answered.redis-semantic", b"no frame %d" % number)
        finally:
            await link.close()
