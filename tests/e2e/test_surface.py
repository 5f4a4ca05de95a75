"""Every row of the tables of LiteLLM's controls, headers and routes says what happens, before a real frontend."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import fields
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from askonce.calls.table import ENDPOINTS
from askonce.config.patterns import stars
from askonce.config.surface.rows import Table, Verdict
from askonce.config.surface.table import CONTROLS, HEADERS, ROUTES
from askonce.core.control import NOTHING, read_controls
from askonce.frontend.admin.table import Admin
from askonce.frontend.reply import Reply, hit_headers
from tests.e2e import upstreams
from tests.e2e.asking import Answer, Client
from tests.e2e.stack import eventually
from tests.e2e.upstreams import EVERYTHING, SAID, Scene, entry, provider
from tests.servers import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene
BUILT = {Verdict.WORKS, Verdict.BETTER}
NOT = {Verdict.NOT}
MASTER = "sk-the-master-of-the-proxy"
ASKED, ANSWERED = HEADERS


def names(verdicts: set[Verdict], *tables: Table) -> list[str]:
    return [name for table in tables for row in table.rows for name in row.names if row.verdict in verdicts]


# -- controls --------------------------------------------------------------------------------------------------------

OBJECT, BODY = CONTROLS
SAMPLES = {name: sample for row in OBJECT.rows for name, sample in row.samples.items()}


@pytest.mark.parametrize("name", names(BUILT, OBJECT))
async def test_a_control_is_read_in_the_object_and_in_the_header(name: str) -> None:
    sample = SAMPLES[name]
    said = read_controls({name: sample}, None)
    assert said != NOTHING
    assert read_controls(None, name if sample is True else f"{name}={sample}") == said


@pytest.mark.parametrize("name", names(NOT, BODY))
async def test_a_member_beside_the_object_controls_nothing(scene: Scene, name: str) -> None:
    """Not the key, not its namespace, not whether the cache is read, not how long an entry lives."""
    outer, _, inner = name.partition(".")
    member: Any = {inner: "chosen"} if inner else False if name == "caching" else 0 if name == "ttl" else "chosen"
    first, second = [await scene.client.chat(f"beside: {name}", **{outer: member}) for _ in range(2)]
    assert first.status == 200
    assert (first.hit, second.hit) == (False, True)
    assert re.fullmatch("[0-9a-f]{64}", str(second.key))
    assert second.cache["ttl"] > 500


# -- headers of requests ---------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def closed(scene: Scene) -> AsyncIterator[Client]:
    """With a master key."""
    async with scene.proxy(EVERYTHING, ASKONCE_MASTER_KEY=MASTER) as client:
        yield client


KEYS = ("Authorization", "x-litellm-api-key", "x-api-key", "api-key")


@pytest.mark.parametrize("name", KEYS)
async def test_the_key_is_heard(closed: Client, name: str) -> None:
    key = f"Bearer {MASTER}" if name == "Authorization" else MASTER
    assert (await closed.send("GET", "/v1/models", headers={name: key})).status == 200
    assert (await closed.send("GET", "/v1/models", headers={name: f"{key}!"})).status == 401


async def test_cache_control_is_heard(scene: Scene) -> None:
    assert not (await scene.client.chat("cache-control", header_cache_control="no-store")).stored
    assert (await scene.client.chat("cache-control")).stored


async def test_the_model_of_what_is_passed_on_is_heard(scene: Scene) -> None:
    async with scene.proxy("  - {model_name: mine, litellm_params: {model: openai/m, api_base: '{base}'}}") as client:
        known, unknown = [
            await client.send("GET", "/v1/files", headers={"x-litellm-model": model}) for model in ("mine", "other")
        ]
    assert unknown.error["code"] == "model_not_found"
    assert known.cache["fwd"] == "bypass"


async def test_these_are_all_that_are_heard() -> None:
    assert sorted(names(BUILT, ASKED)) == sorted([*KEYS, "Cache-Control", "x-litellm-model", "x-litellm-num-retries"])


async def test_other_headers_are_not_heard_and_not_passed_on(scene: Scene) -> None:
    others = dict.fromkeys(names(NOT, ASKED), "1")
    first = await scene.client.chat("other headers")
    again = await scene.client.chat("other headers", **{f"header_{name}": value for name, value in others.items()})
    assert (again.hit, again.key) == (True, first.key)
    await scene.client.chat("and upstream", **{f"header_{name}": value for name, value in others.items()})
    assert not scene.toy.seen[-1].headers.keys() & {name.lower() for name in others}


# -- headers of answers ----------------------------------------------------------------------------------------------


ON_HITS = {"x-litellm-cache-key", "x-litellm-response-cost"}
ON_A_LIMIT = {"retry-after", "rate_limit_type", "reset_at"}
SPEND = "x-litellm-key-spend"
TOLD = {
    "x-litellm-model-group": "m",
    "x-litellm-attempted-fallbacks": "0",
    "x-litellm-attempted-retries": "1",
    "x-litellm-response-cost": "0.003",
    "x-litellm-key-max-budget": "2.5",
    "x-litellm-key-rpm-limit": "1000",
    "x-litellm-key-tpm-limit": "2000",
}
"""On an answer of a provider that failed at first, to a key with limits."""


def litellms(headers: Iterable[str]) -> set[str]:
    return {name.lower() for name in headers if name.lower().startswith("x-litellm-")}


async def made(client: Client, **limits: Any) -> str:
    """A virtual key."""
    key = await client.send("POST", "/key/generate", json=limits, headers={"Authorization": f"Bearer {MASTER}"})
    return str(key.json["key"])


async def answers(scene: Scene) -> tuple[Answer, Answer]:
    """A miss and a hit, before a provider whose answers have no headers of its own: those are passed on."""

    async def says(_request: web.Request) -> web.StreamResponse:
        return web.json_response(SAID)

    async with provider(says) as (_, base), scene.proxy(entry("m", "openai/m", base)) as client:
        miss, hit = [await client.chat("headers of answers", model="m") for _ in range(2)]
    assert (miss.hit, hit.hit) == (False, True)
    return miss, hit


async def test_the_key_is_told_on_hits_only(scene: Scene) -> None:
    miss, hit = await answers(scene)
    assert "x-litellm-cache-key" in names(BUILT, ANSWERED)
    assert "x-litellm-cache-key" in hit.headers
    assert "x-litellm-cache-key" not in miss.headers


async def test_the_headers_that_are_not_built_are_on_none(scene: Scene) -> None:
    sent = {name.lower() for answer in await answers(scene) for name in answer.headers}
    for pattern in names(NOT, ANSWERED):
        assert not [name for name in sent if stars(pattern, name) is not None], pattern


async def test_the_likeness_is_on_hits_where_questions_are_compared() -> None:
    told = hit_headers(Reply(b"{}", "application/json", "0" * 64, 0, None, "memory", 0.9))
    assert litellms(told) == ON_HITS | {"x-litellm-semantic-similarity"}


async def test_every_header_that_is_built_is_on_some_answer() -> None:
    assert sorted(names(BUILT, ANSWERED)) == sorted(
        ON_HITS | {"x-litellm-semantic-similarity"} | TOLD.keys() | {SPEND} | ON_A_LIMIT
    )


async def test_an_answer_from_the_provider_tells_how_it_came_about_and_what_the_key_may(scene: Scene) -> None:
    failing = iter([500])

    async def fails_once(_request: web.Request) -> web.StreamResponse:
        return web.json_response(SAID, status=next(failing, 200))

    priced = "api_key: k, input_cost_per_token: 0.001, output_cost_per_token: 0.002"
    retried = "router_settings: {num_retries: 1}\n"
    async with (
        provider(fails_once) as (_, base),
        scene.proxy(entry("m", "openai/m", base, priced), retried, ASKONCE_MASTER_KEY=MASTER) as client,
    ):

        async def asks(key: str, text: str) -> Answer:
            return await client.chat(text, model="m", header_authorization=f"Bearer {key}")

        key = await made(client, max_budget=2.5, rpm_limit=1000, tpm_limit=2000)
        first, hit = [await asks(key, "told") for _ in range(2)]
        assert {name: first.headers[name] for name in litellms(first.headers) - {SPEND}} == TOLD
        assert litellms(hit.headers) == ON_HITS

        async def tells_spend() -> bool:
            answer = await asks(key, f"told {time.monotonic_ns()}")
            told = {**TOLD, "x-litellm-attempted-retries": "0"}
            assert {name: answer.headers[name] for name in litellms(answer.headers) - {SPEND}} == told
            return SPEND in answer.headers

        assert await eventually(tells_spend)
        few = await made(client, rpm_limit=1)
        assert (await asks(few, "the only one")).status == 200
        refused = await asks(few, "one too many")
        assert refused.status == 429
        assert {name.lower() for name in refused.headers} >= ON_A_LIMIT
        assert not litellms(refused.headers)


# -- routes ----------------------------------------------------------------------------------------------------------

CACHED, PASSED, OPERATORS, OF_KEYS = ROUTES
NOBODY = """
  - {model_name: toy, litellm_params: {model: openai/toy, api_base: "{nobody}/v1", api_key: sk-1}}
  - {model_name: claude, litellm_params: {model: anthropic/claude, api_base: "{nobody}", api_key: sk-1}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alone(scene: Scene) -> AsyncIterator[Client]:
    """Before providers that are not there, so that no 404 is theirs."""
    async with scene.proxy(NOBODY.replace("{nobody}", f"http://127.0.0.1:{free_port()}")) as client:
        yield client


async def statuses(client: Client, routes: Iterable[str]) -> dict[str, int]:
    async def ask(route: str) -> int:
        whole = route if " " in route else f"POST {route}"  # a row without a method is for all of them
        method, path = re.sub(r"\{\w+\}|\*", "x", whole.replace("{model}", "toy").replace("{id}", "resp_1")).split()
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"} if method == "WS" else {}
        return (await client.send("GET" if method == "WS" else method, path, headers=upgrade)).status

    routes = list(routes)
    return dict(zip(routes, await asyncio.gather(*map(ask, routes)), strict=True))


async def test_what_works_is_there(alone: Client) -> None:
    told = await statuses(alone, names(BUILT, *ROUTES))
    assert not [route for route, status in told.items() if status == 404]
    assert {told[route] for route in names(BUILT, CACHED)} == {400}, "an empty request"
    assert {told[route] for route in names(BUILT, PASSED)} == {502}, "nobody is there"


async def test_what_does_not_is_not_there(alone: Client) -> None:
    told = await statuses(alone, names(NOT, *ROUTES))
    assert {told.pop("WS /v1/realtime")} == {501}
    assert set(told.values()) == {404}


async def test_every_route_of_the_frontend_has_a_row() -> None:
    admin: Any = Admin(**dict.fromkeys((field.name for field in fields(Admin)), None))  # type: ignore[arg-type]
    table = {f"POST {path}" for endpoint in ENDPOINTS for path in endpoint.paths}
    table |= {" ".join(route) for route in admin.routes()}
    told = names(BUILT, CACHED, OPERATORS, OF_KEYS)
    assert {route for route in told if "{" not in route and " /openai/" not in route} == table
    named = {endpoint.path for endpoint in ENDPOINTS}
    assert {route.partition("{model}")[2] for route in names(BUILT, CACHED) if "{" in route} <= named
