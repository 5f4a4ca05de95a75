"""The curl and SDK examples of LiteLLM's page "Caching", run as they stand there: only host and port are ours, and the
provider is the toy, at the address that the environment says. What the page promises is what comes.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
import pytest
import pytest_asyncio
import redis

from askonce.config.load import load
from askonce.toy.provider import Toy
from tests.config.litellm_blocks import page
from tests.e2e.asking import Client
from tests.e2e.stack import eventually, toy_provider, up
from tests.litellm.page_kit import curl, curl_i, example, python, sdk
from tests.servers import Valkey

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
HELLO = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "Hello"}]}
TEST = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "Say this is a test"}]}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Stage:
    """A proxy with the page's first configuration, the Redis behind it, and the provider."""

    client: Client
    toy: Toy
    store: "redis.Redis[bytes]"

    @property
    def url(self) -> str:
        return self.client.url

    def asked(self, route: str = CHAT) -> int:
        return self.toy.calls[route]

    async def lives(self, key: str) -> float:
        """Seconds that an entry still lives in Redis. A writer brings it there, so it is waited for."""

        async def there() -> bool:
            return bool(self.store.exists(key))

        assert await eventually(there), self.store.keys("*")
        return float(self.store.pttl(key)) / 1000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("page")
    server = Valkey(folder / "redis")
    server.start()
    try:
        async with toy_provider() as (toy, base), aiohttp.ClientSession() as session:
            env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port)}
            env |= {"OPENAI_BASE_URL": base, "OPENAI_API_KEY": "sk-toy"}
            async with up(folder / "home", page("quick_start.yaml"), "--frontends", "1", **env) as (url, _):
                with redis.Redis(port=server.port) as store:
                    yield Stage(Client(session, url), toy, store)
    finally:
        server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def stage(proxy: Stage) -> Stage:
    """With nothing in the cache: most examples say Hello, and none is to meet another's answer."""
    assert (await proxy.client.send("POST", "/cache/flushall")).status == 200
    return proxy


async def test_usage_chat_sends_the_same_request_twice(stage: Stage) -> None:
    asked = stage.asked()
    first, second = await curl(example("usage_chat.sh"), stage.url)
    assert first == second
    assert stage.asked() == asked + 1


async def test_usage_embeddings_sends_the_same_request_twice(stage: Stage) -> None:
    asked = stage.asked(EMBEDDINGS)
    first, second = await curl(example("usage_embeddings.sh"), stage.url)
    assert first == second
    assert len(first["data"]) == 1
    assert stage.asked(EMBEDDINGS) == asked + 1


@pytest.mark.parametrize("name", ["ttl.sh", "ttl.python"])
async def test_ttl_caches_the_response_for_so_long(stage: Stage, name: str) -> None:
    text = example(name)
    answer = (await curl(text, stage.url))[0] if name.endswith(".sh") else await sdk(text, stage.url)
    again = await stage.client.send("POST", CHAT, json=HELLO)
    assert again.hit
    assert again.json["id"] == answer["id"]
    assert 0 < await stage.lives(f"askonce:{again.key}") <= 300


@pytest.mark.parametrize("name", ["s_maxage.sh", "s_maxage.python"])
async def test_s_maxage_accepts_what_is_young_enough_only(stage: Stage, name: str) -> None:
    async def run(text: str) -> str:
        answer = (await curl(text, stage.url))[0] if name.endswith(".sh") else await sdk(text, stage.url)
        return str(answer["id"])

    young = await run(example(name))
    assert await run(example(name)) == young
    none_is_young_enough = example(name).replace("600", "0")
    assert none_is_young_enough != example(name)
    assert await run(none_is_young_enough) != young


@pytest.mark.parametrize("name", ["no_cache.sh", "no_cache.python"])
async def test_no_cache_forces_a_fresh_response(stage: Stage, name: str) -> None:
    """The table of the page says that it is not stored; its text, and what LiteLLM does, that it is."""
    first = await stage.client.send("POST", CHAT, json=HELLO)
    asked, text = stage.asked(), example(name)
    fresh = (await curl(text, stage.url))[0] if name.endswith(".sh") else await sdk(text, stage.url)
    assert stage.asked() == asked + 1
    assert fresh["id"] != first.json["id"]
    assert (await stage.client.send("POST", CHAT, json=HELLO)).json["id"] == fresh["id"]


@pytest.mark.parametrize("name", ["no_store.sh", "no_store.python"])
async def test_no_store_does_not_cache_the_response(stage: Stage, name: str) -> None:
    asked, text = stage.asked(), example(name)
    for _ in range(2):
        await curl(text, stage.url) if name.endswith(".sh") else await sdk(text, stage.url)
    assert stage.asked() == asked + 2
    assert not (await stage.client.send("POST", CHAT, json=HELLO)).hit


@pytest.mark.parametrize("name", ["namespace.sh", "namespace.python"])
async def test_namespace_stores_under_a_namespace(stage: Stage, name: str) -> None:
    asked, text = stage.asked(), example(name)
    for _ in range(2):
        await curl(text, stage.url) if name.endswith(".sh") else await sdk(text, stage.url)
    assert stage.asked() == asked + 1
    inside = await stage.client.send("POST", CHAT, json={**HELLO, "cache": {"namespace": "my-custom-namespace"}})
    assert inside.hit
    assert str(inside.key).startswith("my-custom-namespace:")
    assert await stage.lives(f"askonce:{inside.key}") > 0
    assert not (await stage.client.send("POST", CHAT, json=HELLO)).hit


async def test_ping_has_the_shape_of_the_page(stage: Stage) -> None:
    (answer,) = await curl(example("ping.sh"), stage.url)
    promised = orjson.loads(example("ping.json"))
    for name in ("status", "cache_type", "ping_response", "set_cache_response"):
        assert answer[name] == promised[name]
    for name in ("litellm_cache_params", "redis_cache_params"):
        assert promised[name].keys() <= answer[name].keys()
        assert {member: type(value) for member, value in promised[name].items()} == {
            member: type(answer[name][member]) for member in promised[name]
        }
    assert answer["litellm_cache_params"]["namespace"] == promised["litellm_cache_params"]["namespace"]
    assert "aembedding" in answer["litellm_cache_params"]["supported_call_types"]


async def test_delete_says_success_for_unknown_keys_too(stage: Stage) -> None:
    (answer,) = await curl(example("delete.sh"), stage.url)
    assert answer == orjson.loads(example("delete.out").removeprefix("# "))


async def test_delete_removes_the_key_that_a_hit_tells(stage: Stage) -> None:
    await stage.client.send("POST", CHAT, json=HELLO)
    key = (await stage.client.send("POST", CHAT, json=HELLO)).headers["x-litellm-cache-key"]
    text = example("delete.sh").replace("586bf3f3c1bf5aecb55bd9996494d3bbc69eb58397163add6d49537762a7548d", key)
    assert await curl(text, stage.url) == [{"status": "success"}]
    assert not (await stage.client.send("POST", CHAT, json=HELLO)).hit


async def test_the_example_for_cache_keys_is_no_json_and_is_told_so(stage: Stage) -> None:
    answer = await curl_i(example("cache_keys.sh"), stage.url)
    assert (answer.status, answer.json["error"]["param"]) == (400, "body")


async def test_the_example_for_cache_keys_corrected_tells_the_key_on_a_hit(stage: Stage) -> None:
    text = example("cache_keys.sh").replace("    ],\n}", "    ]\n}")
    assert "x-litellm-cache-key" not in (await curl_i(text, stage.url)).headers
    answer = await curl_i(text, stage.url)
    promised = example("cache_keys.out")
    assert answer.headers["Content-Type"] == "application/json"
    assert "content-type: application/json" in promised
    assert len(answer.headers["x-litellm-cache-key"]) == 64
    assert all(name in answer.json for name in ("id", "choices", "created"))


@pytest.mark.parametrize("name", ["cluster_nodes.python", "sentinel_nodes.python"])
async def test_the_scripts_print_what_the_environment_takes(tmp_path: Path, name: str) -> None:
    """The scripts use `os` and `json` and import neither."""
    variable, _, value = (await python("import json\nimport os\n" + example(name))).strip().partition(" ")
    environ = {variable: value, "REDIS_SERVICE_NAME": "mymaster"}
    (tmp_path / "config.yaml").write_text("litellm_settings: {cache: true}")
    settings = load(tmp_path / "config.yaml", environ, cwd=tmp_path).cache.redis
    assert settings is not None
    nodes = settings.cluster_nodes or settings.sentinel_nodes
    assert [node.port for node in nodes] in ([7001, 7003, 7004, 7005, 7006, 7007], [26379])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opting_in(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The page's configuration with `mode: default_off`, and a second entry for the model that its examples ask for."""
    text = page("default_off.yaml").replace("https://exampleopenaiendpoint-production.up.railway.app/", "{base}")
    model = "  - {model_name: gpt-3.5-turbo, litellm_params: {model: gpt-3.5-turbo}}\n\n# default off mode"
    text = text.replace("# default off mode", model)
    async with toy_provider() as (toy, base), aiohttp.ClientSession() as session:
        env = {"OPENAI_BASE_URL": base, "OPENAI_API_KEY": "sk-toy"}
        home = tmp_path_factory.mktemp("opting-in")
        async with up(home, text.replace("{base}", base), "--frontends", "1", **env) as (url, _):
            yield Stage(Client(session, url), toy, redis.Redis())


async def test_the_example_for_use_cache_is_no_json_and_is_told_so(opting_in: Stage) -> None:
    answer = await curl_i(example("use_cache.sh"), opting_in.url)
    assert (answer.status, answer.json["error"]["param"]) == (400, "body")


@pytest.mark.parametrize("name", ["use_cache.sh", "use_cache.python"])
async def test_use_cache_opts_in(opting_in: Stage, name: str) -> None:
    """Both corrected: the one is no JSON, the other has a placeholder for the key."""
    text = example(name).replace("<litellm-api-key>", '"sk-any"')
    text = text if name.endswith(".python") else text.replace('{"use-cache": True}', '{"use-cache": true},')
    assert text != example(name)
    for _ in range(2):
        assert not (await opting_in.client.send("POST", CHAT, json=TEST)).hit, "not asked for"
    ids = set()
    for _ in range(2):
        answer = (await curl(text, opting_in.url))[0] if name.endswith(".sh") else await sdk(text, opting_in.url)
        ids.add(answer["id"])
    assert len(ids) == 1
    assert (await opting_in.client.send("POST", CHAT, json={**TEST, "cache": {"use-cache": True}})).hit
