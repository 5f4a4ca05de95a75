"""`/health`, `/v1/models`, `/model/info`: the models of a model_list, and whether who serves them answers."""

import re
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import openai
import pytest
import pytest_asyncio

from askonce.toy.provider import Toy, serving
from tests.e2e import admin_scene
from tests.e2e.admin_scene import Scene
from tests.e2e.asking import Client
from tests.servers import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = admin_scene.scene

KEY = "sk-SECRET-of-the-proxy"


class Models(NamedTuple):
    """A proxy with a model list of all sorts, and where these are."""

    client: Client
    toy: Toy
    base: str
    strict: str
    away: str

    @property
    def looked(self) -> int:
        """How often the provider was asked for its models."""
        return self.toy.calls["/v1/models"]


def entry(name: str, model: str, base: str, more: str = "", info: str = "") -> str:
    params = f"{{model: {model}, api_base: {base}, api_key: {KEY}{more}}}"
    return f'  - {{model_name: "{name}", litellm_params: {params}{info}}}\n'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def models(scene: Scene) -> AsyncIterator[Models]:
    away = f"http://127.0.0.1:{free_port()}/v1"
    async with serving(Toy(latency=0, pace=0, clock=lambda: 0.0, api_key="sk-another")) as strict:
        entries = [
            entry("gpt-4o", "openai/gpt-4o", scene.base, ", temperature: 0.5, user: SECRET, timeout: 7"),
            entry("gpt-4o", "hosted_vllm/llama", scene.base, ", extra_headers: {X-Team: SECRET}"),
            entry("org/with/slashes", "openai/fine", scene.base, info=", model_info: {id: mine, mode: chat}"),
            entry("open/*", '"openai/*"', scene.base),
            entry("turned-away", "openai/gpt-4o", strict),
            entry("away", "openai/gpt-4o", away),
            entry("unbuilt", "bedrock/claude", away),
        ]
        more = "router_settings: {model_group_alias: {short: gpt-4o, far: away}}"
        text = (
            "model_list:\n" + "".join(entries) + "litellm_settings: {cache: true, cache_params: {type: local}}\n" + more
        )
        async with scene.proxy(text) as client:
            yield Models(client, scene.toy, scene.base, strict, away)


async def health(models: Models, model: str | None = None, status: int = 200) -> dict[str, Any]:
    answer = await models.client.send("GET", "/health", params={} if model is None else {"model": model})
    assert answer.status == status, answer.body
    assert b"SECRET" not in answer.body
    told: dict[str, Any] = answer.json
    assert list(told) == ["healthy_endpoints", "unhealthy_endpoints", "healthy_count", "unhealthy_count"]
    assert told["healthy_count"] == len(told["healthy_endpoints"])
    assert told["unhealthy_count"] == len(told["unhealthy_endpoints"])
    return told


async def test_health_asks_each_provider_once_and_no_model(models: Models) -> None:
    looked, asked = models.looked, sum(models.toy.calls.values())
    told = await health(models)
    assert [one["model_name"] for one in told["healthy_endpoints"]] == [
        "gpt-4o",
        "gpt-4o",
        "org/with/slashes",
        "open/*",
    ]
    assert told["healthy_endpoints"][0] == {
        "model_name": "gpt-4o", "model": "openai/gpt-4o", "api_base": models.base, "temperature": 0.5, "timeout": 7.0,
    }  # fmt: skip
    assert models.looked == looked + 2, "one address and key, and another with one more header"
    assert sum(models.toy.calls.values()) == asked + 2
    ill = {one["model_name"]: one for one in told["unhealthy_endpoints"]}
    assert ill["turned-away"]["error"] == "the configured key is turned away (HTTP 401)"
    assert ill["turned-away"]["api_base"] == models.strict
    assert re.fullmatch(r"no connection to 127\.0\.0\.1:\d+: Connection refused", ill["away"]["error"])
    assert ill["unbuilt"]["error"] == "provider bedrock is not built yet"
    assert told["unhealthy_count"] == 3


@pytest.mark.parametrize(
    ("model", "status", "healthy", "unhealthy"),
    [
        ("gpt-4o", 200, ["openai/gpt-4o", "hosted_vllm/llama"], []),
        ("short", 200, ["openai/gpt-4o", "hosted_vllm/llama"], []),
        ("open/anything", 200, ["openai/*"], []),
        ("hosted_vllm/llama", 200, ["hosted_vllm/llama"], []),
        ("openai/gpt-4o", 200, ["openai/gpt-4o"], ["openai/gpt-4o", "openai/gpt-4o"]),
        ("turned-away", 503, [], ["openai/gpt-4o"]),
        ("far", 503, [], ["openai/gpt-4o"]),
    ],
)
async def test_health_of_one_name_is_503_where_none_of_its_providers_is(
    models: Models, model: str, status: int, healthy: list[str], unhealthy: list[str]
) -> None:
    told = await health(models, model, status)
    assert [one["model"] for one in told["healthy_endpoints"]] == healthy
    assert [one["model"] for one in told["unhealthy_endpoints"]] == unhealthy


async def test_health_of_an_unknown_name_is_404_and_nobody_is_asked(models: Models) -> None:
    looked = models.looked
    answer = await models.client.send("GET", "/health?model=nobody")
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert models.looked == looked


async def test_models_are_listed_and_found_one_by_one_whatever_slashes_they_have(models: Models) -> None:
    async with openai.AsyncOpenAI(api_key="sk-any", base_url=f"{models.client.url}/v1", max_retries=0) as sdk:
        listed = {model.id async for model in sdk.models.list()}
        assert {"gpt-4o", "org/with/slashes", "turned-away", "away"} <= listed
        for name in ("gpt-4o", "org/with/slashes", "short", "open/any/thing"):
            assert (await sdk.models.retrieve(name)).id == name
        for name in ("nobody", "unbuilt"):
            with pytest.raises(openai.NotFoundError, match=f"The model `{name}` does not exist") as raised:
                await sdk.models.retrieve(name)
            assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    looked = models.looked
    for path in ("/models/org/with/slashes", "/v1/models/org%2Fwith%2Fslashes"):
        answer = await models.client.send("GET", path)
        assert answer.json == {
            "id": "org/with/slashes", "object": "model", "created": 1677610602, "owned_by": "openai",
        }  # fmt: skip
        assert (await models.client.send("HEAD", path)).body == b""
    assert models.looked == looked, "the model_list is asked, not the provider"


async def test_model_info_describes_every_entry_in_litellms_shape(models: Models) -> None:
    answer = await models.client.send("GET", "/v1/model/info")
    assert b"SECRET" not in answer.body
    assert answer.body == (await models.client.send("GET", "/model/info")).body
    data = answer.json["data"]
    assert [one["model_name"] for one in data][:4] == ["gpt-4o", "gpt-4o", "org/with/slashes", "open/*"]
    assert data[0]["litellm_params"] == {
        "model": "openai/gpt-4o", "api_base": models.base, "temperature": 0.5, "timeout": 7.0,
    }  # fmt: skip
    assert data[2]["model_info"] == {"id": "mine", "mode": "chat", "db_model": False}
    ids = [one["model_info"]["id"] for one in data]
    assert len(set(ids)) == len(ids)
    one = await models.client.send("GET", f"/model/info?litellm_model_id={ids[1]}")
    assert one.json == {"data": [data[1]]}
    none = await models.client.send("GET", "/model/info?litellm_model_id=none")
    assert (none.status, none.error["param"]) == (400, "litellm_model_id")
