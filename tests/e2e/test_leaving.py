"""Clients that leave before the end: what they caused is put down to them, and nothing is done for them any more."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from askonce.frontend import flights
from tests.e2e import upstreams
from tests.e2e.asking import Client, body
from tests.e2e.stack import eventually
from tests.e2e.upstreams import CHUNK, LAST, LOCAL, SAID, Scene, Script, entry, provider
from tests.frontend.failing import Answering, says

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene

MASTER = f"sk-master-{secrets.token_hex(16)}"
PRICED = "api_key: k, input_cost_per_token: 0.001, output_cost_per_token: 0.002"
UNCACHED = "litellm_settings: {cache: true, cache_params: {type: local, supported_call_types: []}}\n"
NO_STORE: dict[str, Any] = {"cache": {"no-store": True}}
NOT_KEPT = pytest.mark.parametrize(("how", "more"), [(LOCAL, NO_STORE), (UNCACHED, {})], ids=["no-store", "no cache"])
USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}


class Held:
    """Answers when it is told to: a stream's first chunk at once, the rest then."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.events: list[Any] = [CHUNK, CHUNK, {**LAST, "usage": USAGE}]

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if not orjson.loads(await request.read()).get("stream"):
            await self.goes_on.wait()
            return web.json_response({**SAID, "usage": USAGE})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in self.events:
            await response.write(b"data: " + orjson.dumps(event) + b"\n\n")
            await self.goes_on.wait()
            await asyncio.sleep(0.2)  # time to see that a reader has gone
        await response.write(b"data: [DONE]\n\n")
        return response


class Place:
    """A frontend with a master key before one provider."""

    def __init__(self, client: Client, script: Script) -> None:
        self.client = client
        self.script = script

    async def key(self, **limits: Any) -> str:
        made = await self.client.send(
            "POST", "/key/generate", json=limits, headers={"Authorization": f"Bearer {MASTER}"}
        )
        return str(made.json["key"])

    async def asks(
        self, key: str, text: str, path: str = "/v1/chat/completions", **more: Any
    ) -> aiohttp.ClientResponse:
        call_type = "anthropic_messages" if path.endswith("messages") else "completion"
        said = body(call_type, text, **{"model": "m", **more})
        return await self.client.session.post(
            self.client.url + path, json=said, headers={"Authorization": f"Bearer {key}"}
        )

    async def leaves(self, key: str, text: str, *, seen: int, **more: Any) -> None:
        """Once the provider has been asked as often as that."""
        asking = asyncio.create_task(self.asks(key, text, **more))
        assert await eventually(lambda: self.is_asked(seen))
        asking.cancel()
        for answer in await asyncio.gather(asking, return_exceptions=True):
            if isinstance(answer, aiohttp.ClientResponse):
                answer.close()  # a stream that has begun

    async def is_asked(self, times: int) -> bool:
        return len(self.script.seen) >= times

    async def counts(self, *lines: str) -> bool:
        told = (await self.client.send("GET", "/metrics")).body.decode()
        return all(line in told for line in lines)

    async def nothing_flies(self) -> bool:
        return await self.counts("askonce_flights 0.0\n")


@asynccontextmanager
async def place(scene: Scene, answer: Answering, how: str = LOCAL, more: str = "") -> AsyncIterator[Place]:
    keys = f"general_settings: {{master_key: {MASTER}}}\n"
    async with provider(answer) as (script, base):
        models = f"model_list:\n{entry('m', 'openai/m', base, PRICED)}"
        async with upstreams.solo(scene.folder, f"{models}{how}{keys}{more}", scene.nats) as client:
            yield Place(client, script)


COUNTED = (
    'askonce_tokens_total{call_type="completion",kind="prompt",model="m"} 1000.0\n',
    'askonce_tokens_total{call_type="completion",kind="completion",model="m"} 500.0\n',
    'askonce_spent_dollars_total{call_type="completion",model="m"} 2.0\n',
)


@NOT_KEPT
async def test_who_closes_a_stream_before_its_usage_pays_all_the_same(
    scene: Scene, how: str, more: dict[str, Any]
) -> None:
    held = Held()
    async with place(scene, held, how) as there:
        key = await there.key(max_budget=1.0)
        stream = await there.asks(key, "left early", stream=True, **more)
        await stream.content.readuntil(b"\n\n")
        stream.close()
        await asyncio.sleep(0.3)
        held.goes_on.set()
        assert await eventually(lambda: there.counts(*COUNTED))
        async with await there.asks(key, "again", **more) as refused:
            assert (refused.status, (await refused.json())["error"]["type"]) == (422, "budget_exceeded")
        assert await there.counts(*COUNTED), "once"


@NOT_KEPT
async def test_who_leaves_before_a_plain_answer_pays_all_the_same(scene: Scene, how: str, more: dict[str, Any]) -> None:
    held = Held()
    async with place(scene, held, how) as there:
        await there.leaves(await there.key(), "left early", seen=1, **more)
        await asyncio.sleep(1.5)
        held.goes_on.set()
        assert await eventually(lambda: there.counts(*COUNTED))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_what_never_tells_its_cost_is_given_up_and_counted_as_such(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setattr(flights, "_MOMENT", 0.2)
    async with place(scene, Held()) as there:
        await there.leaves(await there.key(), "left early", seen=1, stream=stream, **NO_STORE)
        assert await eventually(there.nothing_flies)
        assert await there.counts('askonce_unpriced_answers_total{model="m"} 1.0\n')


async def test_what_a_stream_told_of_its_usage_before_it_was_given_up_counts(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flights, "_MOMENT", 0.2)
    held = Held()
    usage = {"input_tokens": 11, "output_tokens": 1}
    held.events = [{"type": "message_start", "message": {"id": "msg_1", "usage": usage}}, {"type": "ping"}]
    async with place(scene, held) as there:
        stream = await there.asks(await there.key(), "left early", "/v1/messages", stream=True, **NO_STORE)
        await stream.content.readuntil(b"\n\n")
        stream.close()
        assert await eventually(there.nothing_flies)
        counted = 'askonce_tokens_total{call_type="anthropic_messages",kind="prompt",model="m"} 11.0\n'
        assert await there.counts(counted)


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_who_has_left_holds_a_place_of_its_key_for_what_is_kept_alone(
    scene: Scene, kept: bool, stream: bool
) -> None:
    held = Held()
    async with place(scene, held) as there:
        key = await there.key(max_parallel_requests=1)
        await there.leaves(key, "left early", seen=1, stream=stream, **({} if kept else NO_STORE))

        async def let_in() -> bool:
            async with await there.asks(key, "next", stream=True) as answer:
                return answer.status == 200

        if kept:
            assert not await let_in(), "the provider is still at it for this key"
            held.goes_on.set()
        assert await eventually(let_in)
        held.goes_on.set()
        assert await eventually(there.nothing_flies)


async def test_for_who_has_left_nobody_else_is_tried(scene: Scene) -> None:
    async with place(scene, says(500), more="router_settings: {num_retries: 4}\n") as there:
        await there.leaves(await there.key(), "left early", seen=1, **NO_STORE)
        assert await eventually(there.nothing_flies)
        assert len(there.script.seen) < 5
        kept = len(there.script.seen)
        await there.leaves(await there.key(), "left early", seen=kept + 1, num_retries=2)
        assert await eventually(there.nothing_flies)
        assert len(there.script.seen) == kept + 3, "what is kept is asked for without anybody"
