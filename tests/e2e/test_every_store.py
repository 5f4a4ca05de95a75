"""Every type of cache under `askonce up`: a repeat is a hit on another frontend, and after everything was stopped."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.asking import Answer, Client
from tests.e2e.meanings import semantic_settings
from tests.e2e.stack import config, toy_provider, up
from tests.qdrant_server import QdrantEdge
from tests.redis_cluster import Cluster
from tests.redis_sentinels import Sentinels
from tests.redis_servers import valkey_with_search
from tests.redis_topologies import Tls
from tests.s3_server import SeaweedFS
from tests.servers import Valkey

Started = Callable[[Path, ExitStack], str]


def params(**members: object) -> str:
    lines = "".join(f"    {name}: {value}\n" for name, value in members.items())
    return f"  cache: true\n  cache_params:\n{lines}"


def disk(_folder: Path, _stack: ExitStack) -> str:
    return params(type="disk", disk_cache_dir="kept")


def redis(folder: Path, stack: ExitStack) -> str:
    server = Valkey(folder)
    server.start()
    stack.callback(server.kill)
    return params(type="redis", host="127.0.0.1", port=server.port)


def redis_tls(folder: Path, stack: ExitStack) -> str:
    server = Tls(folder)
    server.start()
    stack.callback(server.kill)
    authority = server.settings().arguments["ssl_ca_certs"]
    return params(type="redis", host="127.0.0.1", port=server.server.port, ssl="true", ssl_ca_certs=authority)


def redis_cluster(folder: Path, stack: ExitStack) -> str:
    servers = Cluster(folder)
    servers.start()
    stack.callback(servers.kill)
    nodes = ", ".join(f'{{"host": "{one.host}", "port": "{one.port}"}}' for one in servers.settings().cluster_nodes)
    return params(type="redis", redis_startup_nodes=f"[{nodes}]")


def redis_sentinel(folder: Path, stack: ExitStack) -> str:
    servers = Sentinels(folder)
    servers.start()
    stack.callback(servers.kill)
    settings = servers.settings()
    nodes = ", ".join(f'["{one.host}", {one.port}]' for one in settings.sentinel_nodes)
    return params(type="redis", service_name=settings.service_name, sentinel_nodes=f"[{nodes}]")


def s3(folder: Path, stack: ExitStack) -> str:
    server = SeaweedFS(folder)
    server.start()
    stack.callback(server.kill)
    settings = server.settings()
    server.client().create_bucket(Bucket=settings.bucket)
    assert settings.access_key_id is not None
    assert settings.secret_access_key is not None
    return params(
        type="s3",
        s3_bucket_name=settings.bucket,
        s3_region_name="us-east-1",
        s3_endpoint_url=settings.endpoint_url,
        s3_aws_access_key_id=settings.access_key_id.get_secret_value(),
        s3_aws_secret_access_key=settings.secret_access_key.get_secret_value(),
        s3_path="kept/here",
    )


def qdrant(folder: Path, stack: ExitStack) -> str:
    server = QdrantEdge(folder, api_key="key-of-the-test")
    server.start()
    stack.callback(server.kill)
    return params(
        type="qdrant-semantic",
        qdrant_api_base=server.url,
        qdrant_api_key="key-of-the-test",
        qdrant_collection_name="kept",
        qdrant_semantic_cache_embedding_model="local/minilm",
        similarity_threshold=0.8,
    )


def redis_semantic(folder: Path, stack: ExitStack) -> str:
    server = Valkey(folder, options=valkey_with_search())
    server.start()
    stack.callback(server.kill)
    return semantic_settings(server.port, "local/minilm")


STORES: dict[str, Started] = {
    "disk": disk,
    "redis": redis,
    "redis-tls": redis_tls,
    "redis-cluster": redis_cluster,
    "redis-sentinel": redis_sentinel,
    "s3": s3,
    "qdrant-semantic": qdrant,
    "redis-semantic": redis_semantic,
}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def ask_everywhere(url: str, text: str) -> list[Answer]:
    """Each on a connection of its own, so that the kernel chooses a frontend each time."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        return list(await asyncio.gather(*(Client(session, url).chat(text) for _ in range(16))))


@pytest.mark.parametrize("kind", STORES)
async def test_a_repeat_is_a_hit_on_every_frontend_and_after_a_restart(tmp_path, stack, kind):
    settings = STORES[kind](tmp_path / "server", stack)
    async with toy_provider() as (toy, base):
        text = config(base, settings)
        async with up(tmp_path, text, "--frontends", "2") as (url, _), aiohttp.ClientSession() as session:
            first = await Client(session, url).chat("What is kept?")
            assert (first.status, first.hit, first.stored) == (200, False, True)
            assert all(answer.hit for answer in await ask_everywhere(url, "What is kept?"))
            ping = await Client(session, url).send("GET", "/cache/ping")
            assert ping.status == 200, ping.body
        async with up(tmp_path, text, "--frontends", "2") as (url, process):
            again = await ask_everywhere(url, "What is kept?")
            assert [answer.body for answer in again] == [first.body] * len(again), process.output
            store = {detail for answer in again if (detail := answer.cache["detail"]) != "memory"}
            assert len(store) == 1, "each frontend began with an empty memory"
            assert f"type: {store.pop()}\n" in settings
        assert toy.calls["/v1/chat/completions"] == 1


async def test_local_answers_a_repeat_from_every_frontend_and_forgets_at_a_restart(tmp_path):
    async with toy_provider() as (toy, base):
        text = config(base, params(type="local"))
        for _ in range(2):
            async with up(tmp_path, text, "--frontends", "2") as (url, _), aiohttp.ClientSession() as session:
                assert not (await Client(session, url).chat("What is kept?")).hit
                assert all(answer.hit for answer in await ask_everywhere(url, "What is kept?"))
        assert toy.calls["/v1/chat/completions"] == 2
