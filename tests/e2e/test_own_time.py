"""The time that a request gives itself: it is for all that is done for it, and its end is nobody's failure."""

import asyncio

import pytest
from aiohttp import web

from tests.e2e import upstreams
from tests.e2e.upstreams import SAID, Scene, entry, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene


async def hangs(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(20)
    return web.json_response(SAID)


async def test_the_time_of_a_request_is_for_its_fallbacks_too(scene: Scene) -> None:
    fails = iter([500, 500])

    async def answer(request: web.Request) -> web.StreamResponse:
        status = next(fails, None)
        return web.json_response({}, status=status) if status else await hangs(request)

    async with provider(answer) as (script, base):
        models = "".join(entry(name, f"openai/{name}", base) for name in "mabcd")
        routing = "router_settings: {fallbacks: [{m: [a, b, c, d]}]}\n"
        async with scene.proxy(models, routing) as client:
            first = await client.chat("in a second", model="m", timeout=1)
            assert (first.status, len(script.seen)) == (500, 3), "the third took the rest of it"
            second = await client.chat("in half a second", model="m", timeout=0.5)
            assert (second.status, len(script.seen)) == (504, 4)


async def test_a_request_that_gives_too_little_time_cools_nobody(scene: Scene) -> None:
    async def slow(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return web.json_response(SAID)

    async with provider(slow) as (script, base):
        models = entry("m", "openai/a", base) + entry("m", "openai/b", base)
        async with scene.proxy(models) as client:
            for number in range(12):
                assert (await client.chat(f"hastily {number}", model="m", timeout=0.1)).status == 504
            assert len(script.seen) > 6, "more often than both may fail"
            told = (await client.send("GET", "/metrics")).body.decode()
            assert "askonce_deployment_failures_total{" not in told
            assert 'askonce_deployment_cooled{deployment="m#1"} 0.0' in told
            assert (await client.chat("patiently", model="m")).status == 200
