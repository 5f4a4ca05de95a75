"""Several deployments behind one name: clients see one model that answers, whatever happens behind it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from aiohttp import web

from askonce.core.sse import DONE, frame
from tests.e2e import upstreams
from tests.e2e.asking import Answer, Client
from tests.e2e.solo import solo
from tests.e2e.upstreams import CHUNK, LAST, SAID, Scene, Script, entry, provider
from tests.frontend.failing import hangs_up
from tests.servers import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def well(request: web.Request) -> web.StreamResponse:
    if not orjson.loads(await request.read()).get("stream"):
        return web.json_response(SAID)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for event in (orjson.dumps(CHUNK), orjson.dumps(LAST), DONE):
        await response.write(frame(event))
    return response


def fails(status: int, **headers: str) -> Answering:
    async def answer(_request: web.Request) -> web.StreamResponse:
        error = {"error": {"message": "no", "type": "t", "param": None, "code": str(status)}}
        return web.json_response(error, status=status, headers={n.replace("_", "-"): v for n, v in headers.items()})

    return answer


@dataclass
class Group:
    client: Client
    scripts: list[Script]

    @property
    def asked(self) -> list[int]:
        """How often each was."""
        return [len(script.seen) for script in self.scripts]

    async def many(self, number: int, at_once: int = 20, **more: Any) -> list[Answer]:
        gate = asyncio.Semaphore(at_once)

        async def one(n: int) -> Answer:
            async with gate:
                return await self.client.chat(f"question {n} {more}", model="m", **more)

        return await asyncio.gather(*map(one, range(number)))


@asynccontextmanager
async def group(scene: Scene, *members: tuple[Answering, str], more: str = "", dead: int = 0) -> AsyncIterator[Group]:
    """A proxy before a provider for each member, with what its entry says, and `dead` ones that refuse connections."""
    async with AsyncExitStack() as stack:
        scripts, models = [], ""
        for number, (answer, said) in enumerate(members):
            script, base = await stack.enter_async_context(provider(answer))
            scripts.append(script)
            models += entry("m", f"openai/m{number}", base, "api_key: k" + said)
        for _ in range(dead):
            models += entry("m", "openai/gone", f"http://127.0.0.1:{free_port()}/v1")
        client = await stack.enter_async_context(scene.proxy(models, more))
        yield Group(client, scripts)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_one_healthy_member_serves_for_all(scene: Scene, stream: bool) -> None:
    members = (fails(500), ""), (fails(429), ""), (hangs_up, ""), (well, "")
    async with group(scene, *members, dead=1) as there:
        answers = await there.many(100, stream=stream)
        assert Counter(answer.status for answer in answers) == {200: 100}
        assert all(b"said" in answer.body for answer in answers)
        assert there.asked[3] == 100
        assert there.asked[0] < 100
        again = await there.many(100, stream=stream)
        assert all(answer.hit for answer in again), "and what it said is kept"


async def test_a_single_deployments_own_error_passes_with_its_headers(scene: Scene) -> None:
    async with group(scene, (fails(429, Retry_After="7", X_Request_Id="r-1"), "")) as there:
        for _ in range(3):
            answer = await there.client.chat("alone", model="m")
            assert (answer.status, answer.error["code"]) == (429, "429")
            assert (answer.headers["Retry-After"], answer.headers["X-Request-Id"]) == ("7", "r-1")
        assert there.asked == [3], "the last usable member is never left alone"


async def test_a_member_that_is_asked_too_much_is_left_alone_as_long_as_it_says(scene: Scene) -> None:
    order = ", order: 1"
    async with group(scene, (fails(429, Retry_After="60"), order), (well, ", order: 2")) as there:
        answers = await there.many(30, at_once=1)
        assert {answer.status for answer in answers} == {200}
        assert there.asked == [1, 30]


async def test_weights_are_shares(scene: Scene) -> None:
    async with group(scene, (well, ", weight: 8"), (well, ", weight: 2")) as there:
        await there.many(200)
        assert sum(there.asked) == 200
        assert 120 < there.asked[0] < 195
        assert there.asked[1] > 5


async def test_the_least_busy_is_asked(scene: Scene) -> None:
    go_on = asyncio.Event()

    async def stands(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return await well(request)

    async with group(
        scene, (stands, ""), (stands, ""), more="router_settings: {routing_strategy: least-busy}"
    ) as there:
        asking = asyncio.create_task(there.many(20))
        async with asyncio.timeout(20):
            while sum(there.asked) < 20:
                await asyncio.sleep(0.01)
        assert there.asked == [10, 10]
        go_on.set()
        assert {answer.status for answer in await asking} == {200}


async def test_the_quicker_is_asked(scene: Scene) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return await well(request)

    routing = "router_settings: {routing_strategy: latency-based-routing}"
    async with group(scene, (slow, ""), (well, ""), more=routing) as there:
        await there.many(12, at_once=1)
        assert there.asked[0] == 1
        assert there.asked[1] == 11


async def test_nobody_is_asked_beyond_a_limit_of_usage(scene: Scene) -> None:
    routing = "router_settings: {routing_strategy: usage-based-routing-v2}"
    async with group(scene, (well, ", rpm: 200"), (well, ", rpm: 3"), more=routing) as there:
        answers = await there.many(40)
        assert {answer.status for answer in answers} == {200}
        assert there.asked[1] <= 6, "three a minute, of which there may be two"
    async with group(scene, (well, ", rpm: 1"), more=routing) as there:
        answers = await there.many(4, at_once=1)
        refused = [answer for answer in answers if answer.status == 429]
        assert len(refused) >= 2
        for answer in refused:
            assert answer.error["message"].startswith("No deployments available for selected model")
            assert 1 <= int(answer.headers["Retry-After"]) <= 60


async def test_a_member_takes_no_more_at_once_than_it_may(scene: Scene) -> None:
    go_on = asyncio.Event()

    async def stands(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return await well(request)

    async with group(scene, (stands, ", max_parallel_requests: 2"), (stands, ", max_parallel_requests: 3")) as there:
        asking = asyncio.create_task(there.many(9))
        async with asyncio.timeout(20):
            while sum(there.asked) < 5:
                await asyncio.sleep(0.01)
        assert there.asked == [2, 3]
        go_on.set()
        found = Counter(answer.status for answer in await asking)
        assert found[200] >= 5
        assert set(found) <= {200, 429}


async def test_retries_wait_for_what_the_provider_says(scene: Scene) -> None:
    tries = iter([fails(429, Retry_After="1"), fails(503), well])

    async def answer(request: web.Request) -> web.StreamResponse:
        return await next(tries)(request)

    async with group(scene, (answer, ""), more="router_settings: {num_retries: 2}") as there:
        assert (await there.client.chat("patiently", model="m")).status == 200
        assert there.asked == [3]
        assert (await there.client.chat("patiently", model="m", num_retries=1)).hit, "it is part of no key"


async def test_without_a_cache_there_are_groups_all_the_same(scene: Scene) -> None:
    text = "litellm_settings: {cache: true, cache_params: {type: local, supported_call_types: []}}\n"
    async with provider(fails(500)) as (_, bad_base), provider(well) as (good, good_base):
        models = entry("m", "openai/a", bad_base) + entry("m", "openai/b", good_base)
        async with solo(scene.folder, f"model_list:\n{models}\n{text}", scene.nats) as client:
            for _ in range(8):
                answer = await client.chat("the same", model="m")
                assert (answer.status, answer.hit) == (200, False)
        assert len(good.seen) == 8


async def test_what_a_provider_keeps_stays_with_the_first(scene: Scene) -> None:
    said = {"id": "resp_1", "object": "response", "status": "completed", "output": []}

    async def responds(_request: web.Request) -> web.StreamResponse:
        return web.json_response(said)

    async with group(scene, (fails(500), ""), (responds, "")) as there:
        kept = await there.client.ask("responses", "keep this", model="m", previous_response_id="resp_0")
        assert kept.status == 500
        assert there.asked == [1, 0]
