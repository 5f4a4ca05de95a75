"""A deployment that fails on one frontend is left alone by all of them."""

from pathlib import Path

import aiohttp
from aiohttp import web

from tests.e2e.asking import Client
from tests.e2e.stack import eventually, parts
from tests.e2e.upstreams import SAID, entry, provider


async def test_a_member_that_one_frontend_has_cooled_is_not_asked_by_the_other(tmp_path: Path) -> None:
    async def too_much(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {}}, status=429, headers={"Retry-After": "60"})

    async def well(_request: web.Request) -> web.StreamResponse:
        return web.json_response(SAID)

    async with provider(too_much) as (bad, bad_base), provider(well) as (good, good_base):
        models = entry("m", "openai/a", bad_base, "api_key: k, order: 1")
        models += entry("m", "openai/b", good_base, "api_key: k, order: 2")
        text = f"model_list:\n{models}\nlitellm_settings: {{cache: true, cache_params: {{type: local}}}}\n"
        async with parts(tmp_path, text, frontends=2, writers=0) as made, aiohttp.ClientSession() as session:
            one, other = (Client(session, url) for url in made.urls)
            assert (await one.chat("on one", model="m")).status == 200
            assert (len(bad.seen), len(good.seen)) == (1, 1)

            async def heard() -> bool:
                page = (await other.send("GET", "/metrics")).body
                return b'askonce_deployment_cooled{deployment="m#1"} 1.0' in page

            assert await eventually(heard)
            for number in range(10):
                assert (await other.chat(f"on the other {number}", model="m")).status == 200
            assert (len(bad.seen), len(good.seen)) == (1, 11)
