"""`/cache/ping`: what it tells of each type of store, and what it says when a part does not answer."""

from ast import literal_eval
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.e2e import admin_scene
from tests.e2e.admin_scene import RIGHTS, USER, WORD, Scene
from tests.e2e.asking import Client
from tests.e2e.stack import eventually, parts

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = admin_scene.scene

MEMBERS = [
    *("status", "cache_type", "ping_response", "set_cache_response"),
    *("litellm_cache_params", "redis_cache_params", "health_check_cache_params"),
]


async def healthy(client: Client) -> dict[str, Any]:
    answer = await client.send("GET", "/cache/ping")
    assert answer.status == 200, answer.body
    told: dict[str, Any] = answer.json
    assert list(told) == MEMBERS
    assert (told["status"], told["ping_response"], told["set_cache_response"]) == ("healthy", True, "success")
    assert told["litellm_cache_params"]["type"] == told["cache_type"]
    return told


async def unhealthy(client: Client) -> dict[str, Any]:
    """What the message of the error says."""
    answer = await client.send("GET", "/cache/ping")
    assert answer.status == 503, answer.body
    error = answer.error
    assert (error["type"], error["param"], error["code"]) == ("cache_ping_error", "cache_ping", "503")
    told: dict[str, Any] = orjson.loads(error["message"])
    assert list(told) == ["message", "part", "why", "litellm_cache_params", "health_check_cache_params"]
    assert "Traceback" not in error["message"]
    return told


async def test_local_is_tried_in_this_frontends_memory(scene: Scene) -> None:
    params = "type: local, ttl: 60, namespace: team, mode: default_off, supported_call_types: [acompletion, embedding]"
    async with scene.proxy(scene.text(params)) as client:
        told = await healthy(client)
        assert told["cache_type"] == "local"
        assert told["litellm_cache_params"] == {
            "supported_call_types": "['completion', 'acompletion', 'embedding', 'aembedding']",
            "type": "local",
            "namespace": "team",
            "ttl": "60.0",
            "mode": "default_off",
        }
        assert (told["redis_cache_params"], told["health_check_cache_params"]) == (None, None)
        head = await client.send("HEAD", "/cache/ping")
        assert (head.status, head.body) == (200, b"")


async def test_memory_that_keeps_nothing_is_not_healthy(scene: Scene) -> None:
    async with scene.proxy(scene.text("type: local", "askonce: {memory_bytes: 0}")) as client:
        told = await unhealthy(client)
        assert (told["message"], told["part"]) == ("Service Unhealthy", "store")
        assert "memory" in told["why"]


async def test_where_caching_is_off_litellms_words_say_so(scene: Scene) -> None:
    async with scene.proxy(scene.text(None)) as client:
        told = await unhealthy(client)
        assert told == {
            "message": "Cache not initialized. litellm.cache is None",
            "part": None,
            "why": "caching is off in the configuration",
            "litellm_cache_params": {},
            "health_check_cache_params": None,
        }


async def test_a_probe_goes_by_queue_and_writer_to_the_disk(tmp_path: Path) -> None:
    text = "litellm_settings: {cache: true, cache_params: {type: disk, disk_cache_dir: kept, supported_call_types: []}}"
    async with parts(tmp_path, text, frontends=1, writers=1) as stack, aiohttp.ClientSession() as session:
        told = await healthy(Client(session, stack.urls[0]))
        assert told["cache_type"] == "disk"
        assert told["litellm_cache_params"]["supported_call_types"] == "[]"
        assert told["litellm_cache_params"]["namespace"] == told["litellm_cache_params"]["ttl"] == "None"
        assert (told["redis_cache_params"], told["health_check_cache_params"]) == (None, None)


async def test_of_redis_it_is_told_how_it_is_reached_and_its_version(scene: Scene) -> None:
    user = scene.user("~*", "+@all")
    async with scene.proxy(scene.text(f"{scene.redis}{user}, namespace: team"), writer=True) as client:
        told = await healthy(client)
        where = f"host=127.0.0.1,port={scene.valkey.port},db=0"
        of_redis, health = told["redis_cache_params"], told["health_check_cache_params"]
        info = (await client.send("GET", "/cache/redis/info")).json["info"]
        assert list(of_redis) == ["redis_client", "redis_kwargs", "async_redis_conn_pool", "redis_version"]
        assert of_redis["redis_client"] == f"Redis<BlockingConnectionPool<Connection<{where}>>>"
        assert of_redis["async_redis_conn_pool"] == f"BlockingConnectionPool<Connection<{where}>>"
        assert of_redis["redis_version"] == health["redis_version"] == info["redis_version"]
        assert health == {
            "host": "127.0.0.1",
            "port": scene.valkey.port,
            "redis_kwargs": literal_eval(of_redis["redis_kwargs"]),
            "namespace": "team",
            "redis_version": info["redis_version"],
        }
        assert (health["redis_kwargs"]["username"], health["redis_kwargs"]["password"]) == ("******", "******")
        assert WORD not in orjson.dumps(told).decode()
        assert USER not in orjson.dumps(told).decode()


async def test_a_user_who_may_only_do_what_the_store_needs_is_healthy(scene: Scene) -> None:
    async with scene.proxy(scene.text(scene.redis + scene.user(*RIGHTS)), writer=True) as client:
        told = await healthy(client)
        assert told["redis_cache_params"]["redis_version"] == "Unknown"


async def test_without_a_writer_the_writers_are_named(scene: Scene) -> None:
    async with scene.proxy(scene.text(scene.redis)) as client:
        told = await unhealthy(client)
        assert (told["message"], told["part"]) == ("Service Unhealthy", "writers")
        assert told["why"] == "no writer stored the probe within 2 s"
        assert told["health_check_cache_params"]["redis_version"] != "Unknown"


async def test_without_the_server_the_store_is_named_and_it_is_healthy_again_with_it(scene: Scene) -> None:
    text = scene.text(f"{scene.redis}, password: {WORD}")
    scene.password(WORD)
    try:
        async with scene.proxy(text, writer=True) as client:
            await healthy(client)
            scene.valkey.stop()
            told = await unhealthy(client)
            assert (told["message"], told["part"]) == ("Service Unhealthy", "store")
            assert told["why"] == "the redis store does not answer (redis: cannot be reached)"
            assert told["litellm_cache_params"]["type"] == "redis"
            assert told["health_check_cache_params"]["redis_version"] == "Unknown"
            assert WORD not in orjson.dumps(told).decode()
            scene.valkey.start()
            scene.password(WORD)

            async def well() -> bool:
                return (await client.send("GET", "/cache/ping")).status == 200

            assert await eventually(well)
    finally:
        scene.password("")


async def test_without_the_queue_it_is_named(scene: Scene, tmp_path: Path) -> None:
    async with scene.proxy(scene.text(scene.redis)) as client:
        scene.nats.stop()
        try:
            told = await unhealthy(client)
        finally:
            scene.nats.start()
        assert (told["message"], told["part"]) == ("Service Unhealthy", "queue")
        assert told["why"] == "the queue (NATS) does not answer"
