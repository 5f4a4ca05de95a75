"""The page's configurations for Redis behind TLS, a cluster and sentinels, run before real ones: only hosts and ports
are ours, and the file of the authority that has signed the server's certificate.

What needs Google's cloud cannot be run: see `test_page_configs`.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.config.litellm_blocks import page
from tests.e2e.stack import eventually
from tests.litellm import config_kit
from tests.litellm.config_kit import Desk, kept, own, redis_env
from tests.redis_cluster import Cluster
from tests.redis_sentinels import SERVICE, Sentinels
from tests.redis_topologies import KEEPER, KEEPERS_WORD, Servers, Tls, running
from tests.servers import Child

pytestmark = pytest.mark.asyncio(loop_scope="module")
desk = config_kit.desk

PASSWORD = "password"  # the page's, of the sentinels


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    with running(Tls(tmp_path_factory.mktemp("tls"))) as servers:
        yield servers


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(Cluster(tmp_path_factory.mktemp("cluster"))) as servers:
        yield servers


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    """With the page's password, and the page's name for the master in the place of their own."""
    with running(Sentinels(tmp_path_factory.mktemp("sentinels"), password=PASSWORD)) as servers:
        for one in servers.sentinels:
            with servers.watch(one) as client:
                client.execute_command("SENTINEL", "REMOVE", SERVICE)
                client.execute_command("SENTINEL", "MONITOR", "mymaster", "127.0.0.1", servers.master.port, 2)
                client.execute_command("SENTINEL", "SET", "mymaster", "auth-user", KEEPER, "auth-pass", KEEPERS_WORD)
        yield servers


def names(servers: Servers, server: Child) -> list[Any]:
    with servers.client(server) as client:
        return client.keys()


def written(servers: Servers) -> set[str]:
    return {name for server in servers.data_servers for name in names(servers, server)}


async def run(desk: Desk, servers: Servers, text: str, dotenv: str | None = None, **env: str) -> None:
    servers.flush()
    async with kept(desk, desk.load(text, dotenv, **env)) as found:
        assert f"askonce:{found.answer.key}" in written(servers)


async def test_redis_ssl_in_dotenv_is_tls(desk: Desk, tls: Tls):
    dotenv = redis_env(tls.server.port) + page("ssl.env")
    await run(desk, tls, page("quick_start.yaml"), dotenv, REDIS_SSL_CA_CERTS=tls.settings().arguments["ssl_ca_certs"])


async def test_a_url_that_begins_with_rediss_is_tls(desk: Desk, tls: Tls):
    dotenv = own(page("url.env"), {"rediss://..": f"rediss://127.0.0.1:{tls.server.port}"})
    await run(desk, tls, page("quick_start.yaml"), dotenv, REDIS_SSL_CA_CERTS=tls.settings().arguments["ssl_ca_certs"])


async def test_one_node_of_the_file_leads_to_the_whole_cluster(desk: Desk, cluster: Cluster):
    cluster.flush()
    settings = desk.load(own(page("cluster.yaml"), {"7001": cluster.nodes[0].port}))
    async with kept(desk, settings) as found:
        answers = await asyncio.gather(*(found.client.chat(f"one of {number}") for number in range(60)))
        wanted = {f"askonce:{answer.key}" for answer in (found.answer, *answers)}

        async def all_there() -> bool:
            return wanted <= written(cluster)

        assert await eventually(all_there)
        assert all(names(cluster, master) for master in cluster.nodes[:3])


async def test_the_nodes_of_dotenv_are_a_cluster(desk: Desk, cluster: Cluster):
    ports = dict(zip(("7001", "7003", "7004", "7005", "7006", "7007"), cluster.nodes, strict=True))
    dotenv = own(page("cluster.env"), {f'"{port}"': f'"{node.port}"' for port, node in ports.items()})
    await run(desk, cluster, page("quick_start.yaml"), dotenv)


async def test_the_sentinels_of_the_file_name_the_master(desk: Desk, sentinels: Sentinels):
    await run(desk, sentinels, own(page("sentinel.yaml"), {"26379": sentinels.sentinels[0].port}))


async def test_the_sentinels_of_dotenv_name_the_master(desk: Desk, sentinels: Sentinels):
    dotenv = own(page("sentinel.env"), {"26379": sentinels.sentinels[0].port})
    await run(desk, sentinels, page("quick_start.yaml"), dotenv)
