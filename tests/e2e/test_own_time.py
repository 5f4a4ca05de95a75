"""The time that a request gives itself: it is for all that is done for it, and its end is nobody's failure."""

import asyncio
import re

import pytest
from aiohttp import web

from tests.e2e import upstreams
from tests.e2e.stack import eventually
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
    """All of them are with the provider before the time of the first is over, however busy the machine is."""
    patient = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        return web.json_response(SAID) if patient.is_set() else await hangs(request)

    async with provider(slow) as (script, base):

        async def all_there() -> bool:
            return len(script.seen) == 12

        models = entry("m", "openai/a", base) + entry("m", "openai/b", base)
        async with scene.proxy(models) as client:
            asking = [asyncio.create_task(client.chat(f"hastily {n}", model="m", timeout=5)) for n in range(12)]
            assert await eventually(all_there)
            assert [answer.status for answer in await asyncio.gather(*asking)] == [504] * 12
            assert len(script.seen) == 12, "more often than both may fail"
            told = (await client.send("GET", "/metrics")).body.decode()
            assert set(re.findall(r"^askonce_deployment_failures_total\{.*\} (.*)$", told, re.MULTILINE)) <= {"0.0"}
            assert 'askonce_deployment_cooled{deployment="m#1"} 0.0' in told
            patient.set()
            assert (await client.chat("patiently", model="m")).status == 200
