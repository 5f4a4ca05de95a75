"""`/cache/redis/info`, `/cache/flushall`, `/cache/delete`: what operators see of the server, and do to the cache."""

from contextlib import AsyncExitStack

import pytest
import redis

from tests.e2e import admin_scene
from tests.e2e.admin_scene import RIGHTS, Scene
from tests.e2e.asking import Client
from tests.e2e.stack import eventually
from tests.servers import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = admin_scene.scene

SUCCESS = {"status": "success"}


async def test_redis_tells_its_clients_and_its_info(scene: Scene) -> None:
    async with scene.proxy(scene.text(scene.redis)) as client:
        answer = await client.send("GET", "/cache/redis/info")
        assert answer.status == 200, answer.body
        told = answer.json
        assert list(told) == ["num_clients", "clients", "info"]
        with redis.Redis(port=scene.valkey.port) as plain:
            assert told["info"]["redis_version"] == plain.info()["redis_version"]
        assert told["num_clients"] == len(told["clients"]) >= 2, "the store's connection, and the one that asks"
        assert all({"id", "addr", "cmd"} <= one.keys() for one in told["clients"])
        assert (await client.send("HEAD", "/cache/redis/info")).body == b""


async def test_a_user_who_may_not_list_clients_gets_litellms_minus_one(scene: Scene) -> None:
    async with scene.proxy(scene.text(scene.redis + scene.user(*RIGHTS, "+info"))) as client:
        told = (await client.send("GET", "/cache/redis/info")).json
        assert told["num_clients"] == -1
        assert told["clients"] == ["CLIENT LIST is not permitted to the user of this proxy"]
        assert told["info"]["tcp_port"] == scene.valkey.port
    async with scene.proxy(scene.text(scene.redis + scene.user(*RIGHTS))) as client:
        refused = await client.send("GET", "/cache/redis/info")
        assert refused.status == 503
        assert refused.json == {
            "detail": "Service Unhealthy (503: redis: the user may not run this command or use these keys)"
        }


@pytest.mark.parametrize(
    ("params", "detail"),
    [
        ("type: local", "Service Unhealthy (500: Cache type local has no Redis to ask)"),
        (None, "Service Unhealthy (503: Cache not initialized. litellm.cache is None)"),
        ("type: redis, host: 127.0.0.1, port: {port}", "Service Unhealthy (503: redis: cannot be reached)"),
    ],
)
async def test_without_a_redis_to_ask_there_is_litellms_detail(scene: Scene, params: str | None, detail: str) -> None:
    text = scene.text(None if params is None else params.format(port=free_port()))
    async with scene.proxy(text) as client:
        answer = await client.send("GET", "/cache/redis/info")
        assert (answer.status, answer.json) == (503, {"detail": detail})


async def hits(client: Client, text: str) -> bool:
    return await client.hits("completion", text)


async def test_a_flush_empties_the_memory_of_every_frontend(scene: Scene) -> None:
    text = scene.text("type: local, namespace: flushed")
    async with scene.proxy(text) as one, scene.proxy(text) as other:
        await one.chat("kept for now")
        assert await eventually(lambda: hits(other, "kept for now"))
        answer = await one.send("POST", "/cache/flushall")
        assert (answer.status, answer.json) == (200, SUCCESS)
        assert not await hits(one, "kept for now")
        assert not await hits(other, "kept for now")
        await other.chat("kept for now")
        assert await hits(other, "kept for now"), "what is asked afterwards is kept"


async def test_a_flush_reaches_what_its_namespace_has_in_redis_and_nothing_else(scene: Scene) -> None:
    with redis.Redis(port=scene.valkey.port) as plain:
        plain.set("of somebody else", "stays")
        async with AsyncExitStack() as stack:
            ours, theirs = [
                await stack.enter_async_context(
                    scene.proxy(
                        scene.text(f"{scene.redis}, namespace: {name}", "askonce: {memory_bytes: 0}"), writer=True
                    )
                )
                for name in ("ours", "theirs")
            ]
            for client in (ours, theirs):
                await client.chat("in redis")
                assert await eventually(lambda client=client: hits(client, "in redis"))
            answer = await ours.send("POST", "/cache/flushall", data=b"", headers={"Content-Type": "text/plain"})
            assert (answer.status, answer.json) == (200, SUCCESS)
            assert not await hits(ours, "in redis")
            assert await hits(theirs, "in redis")
        assert plain.get("of somebody else") == b"stays"


async def test_a_flush_that_is_not_confirmed_is_no_success(scene: Scene) -> None:
    async with scene.proxy(scene.text("type: local")) as client:
        await client.chat("kept until it is flushed")
        scene.nats.stop()
        try:
            answer = await client.send("POST", "/cache/flushall")
        finally:
            scene.nats.start()
        assert (answer.status, answer.error["type"]) == (503, "cache_flush_error")
        assert not await hits(client, "kept until it is flushed"), "this frontend has heard of it"

        async def flushed() -> bool:
            return (await client.send("POST", "/cache/flushall")).status == 200

        assert await eventually(flushed)


async def test_where_caching_is_off_there_is_nothing_to_flush_or_delete(scene: Scene) -> None:
    async with scene.proxy(scene.text(None)) as client:
        for path, kind in (("flushall", "cache_flush_error"), ("delete", "cache_delete_error")):
            answer = await client.send("POST", f"/cache/{path}", json={"keys": ["key"]})
            assert (answer.status, answer.error["type"]) == (503, kind)
            assert "Cache not initialized. litellm.cache is None" in answer.error["message"]


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", ""])
async def test_a_body_is_json_whatever_its_type_says(scene: Scene, content_type: str) -> None:
    """curl -d says that it is a form."""
    async with scene.proxy(scene.text()) as client:
        key = str((await client.chat("deleted by curl")).key)
        data = f'{{"keys": ["{key}", "key2"]}}'.encode()
        answer = await client.send("POST", "/cache/delete", data=data, headers={"Content-Type": content_type})
        assert (answer.status, answer.json) == (200, SUCCESS)
        assert not await hits(client, "deleted by curl")
