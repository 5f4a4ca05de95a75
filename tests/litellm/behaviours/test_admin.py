"""The routes for operators."""

import pytest

from tests.e2e.stack import eventually
from tests.litellm.behaviours.proxies import KEY, Proxy, fresh

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHAT = "/v1/chat/completions"


async def test_a_ping_writes_and_reads(proxy: Proxy) -> None:
    answer = await proxy.send("GET", "/cache/ping")
    assert answer.status == 200, answer.body
    told = answer.json
    assert (told["status"], told["cache_type"]) == ("healthy", "redis")
    assert (told["ping_response"], told["set_cache_response"]) == (True, "success")
    assert told["health_check_cache_params"]["redis_version"]
    assert "redis_kwargs" in told["health_check_cache_params"]


@pytest.mark.differs("ping-as-documented")
async def test_a_ping_has_the_documented_shape(proxy: Proxy) -> None:
    told = (await proxy.send("GET", "/cache/ping")).json
    assert told["litellm_cache_params"]["type"] == "redis"
    assert {"redis_client", "redis_kwargs", "async_redis_conn_pool", "redis_version"} <= told[
        "redis_cache_params"
    ].keys()


async def test_a_deleted_key_is_gone_from_redis_and_comes_back_under_the_same_key(proxy: Proxy) -> None:
    text = fresh()
    await proxy.chat(text)
    key = (await proxy.chat(text)).key

    async def there() -> bool:
        return bool(proxy.store.keys(f"*{key}"))

    assert await eventually(there)
    deleted = await proxy.post("/cache/delete", {"keys": [key]})
    assert (deleted.status, deleted.json) == (200, {"status": "success"})
    assert not await there()
    await proxy.chat(text, cache={"no-cache": True})
    assert (await proxy.chat(text)).key == key


@pytest.mark.differs("delete-everywhere")
async def test_a_deleted_key_is_gone_from_memory_too(proxy: Proxy) -> None:
    text = fresh()
    await proxy.chat(text)
    key = (await proxy.chat(text)).key
    await proxy.post("/cache/delete", {"keys": [key]})
    assert (await proxy.chat(text)).key is None


async def test_unknown_keys_are_no_error(proxy: Proxy) -> None:
    answer = await proxy.post("/cache/delete", {"keys": ["586bf3f3", "key2"]})
    assert (answer.status, answer.json) == (200, {"status": "success"})


@pytest.mark.differs("own-errors")
async def test_a_deletion_without_keys_is_the_clients_fault(proxy: Proxy) -> None:
    assert (await proxy.post("/cache/delete", {})).status == 400


async def test_what_redis_says_of_itself(proxy: Proxy) -> None:
    answer = await proxy.send("GET", "/cache/redis/info")
    assert answer.status == 200
    told = answer.json
    assert told["num_clients"] == len(told["clients"]) > 0
    assert told["info"]["redis_version"]


async def test_a_redis_that_hides_its_clients_tells_the_rest(proxy: Proxy) -> None:
    proxy.store.execute_command("ACL", "SETUSER", "default", "-client|list")
    try:
        answer = await proxy.send("GET", "/cache/redis/info")
    finally:
        proxy.store.execute_command("ACL", "SETUSER", "default", "+client|list")
    assert answer.status == 200
    assert answer.json["num_clients"] == -1
    assert answer.json["info"]["redis_version"]


@pytest.mark.differs("flush-own-namespace")
async def test_a_flush_spares_what_is_not_ours(proxy: Proxy) -> None:
    proxy.store.set("somebody-elses", "value")
    text = fresh()
    await proxy.chat(text)
    assert (await proxy.send("POST", "/cache/flushall")).json == {"status": "success"}
    assert (await proxy.chat(text)).key is None
    assert proxy.store.get("somebody-elses") == b"value"


@pytest.mark.differs("wrong-keys")
@pytest.mark.parametrize("path", ["/cache/ping", "/cache/redis/info", "/v1/models", "/model/info", "/health"])
async def test_without_a_key_nobody_is_told(proxy: Proxy, path: str) -> None:
    answer = await proxy.send("GET", path, headers={"Authorization": "Bearer sk-wrong"})
    assert (answer.status, answer.json["error"]["type"]) == (401, "auth_error")
    assert b"sk-wrong" not in answer.body


@pytest.mark.parametrize("header", ["x-litellm-api-key", "x-api-key", "api-key"])
async def test_the_key_may_stand_in_other_headers(proxy: Proxy, header: str) -> None:
    answer = await proxy.send("GET", "/v1/models", headers={"Authorization": "", header: KEY})
    assert answer.status == 200


async def test_the_models_are_listed(proxy: Proxy) -> None:
    told = (await proxy.send("GET", "/v1/models")).json
    assert told["object"] == "list"
    (toy,) = [model for model in told["data"] if model["id"] == "toy"]
    assert (toy["object"], toy["owned_by"], toy["created"]) == ("model", "openai", 1677610602)


async def test_the_models_are_described_without_their_keys(proxy: Proxy) -> None:
    answer = await proxy.send("GET", "/model/info")
    (toy,) = [model for model in answer.json["data"] if model["model_name"] == "toy"]
    assert toy["litellm_params"]["model"] == "openai/toy"
    assert toy["model_info"]["id"]
    assert b"sk-provider" not in answer.body


@pytest.mark.parametrize("path", ["/health/liveliness", "/health/liveness"])
async def test_it_says_that_it_is_alive(proxy: Proxy, path: str) -> None:
    answer = await proxy.send("GET", path, headers={"Authorization": ""})
    assert (answer.status, answer.json) == (200, "I'm alive!")


async def test_it_is_ready(proxy: Proxy) -> None:
    answer = await proxy.send("GET", "/health/readiness", headers={"Authorization": ""})
    assert (answer.status, answer.json["status"]) == (200, "healthy")


async def test_each_model_is_asked_for_its_health(proxy: Proxy) -> None:
    told = (await proxy.send("GET", "/health", params={"model": "toy"})).json
    assert (told["healthy_count"], told["unhealthy_count"]) == (1, 0)
    assert told["healthy_endpoints"][0]["model"] == "openai/toy"
    assert "sk-provider" not in str(told)
