"""The redis store on a cluster, behind sentinels, and by TLS with a private authority and a user of few rights: the
contract on each, and what is particular to each.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr

from askonce.config.settings import Node, RedisSettings
from askonce.core.errors import ConfigError, StoreUnavailable
from askonce.stores.redis.client import connect, connect_nodes
from askonce.stores.redis.exact import RedisReader
from tests.redis_cluster import RIGHTS_IN_A_CLUSTER, Cluster
from tests.redis_sentinels import SERVICE, Sentinels
from tests.redis_topologies import RIGHTS, USER, WORD, Authority, Tls, port, running
from tests.stores import redis_scene
from tests.stores.contract import Clock, Pair, StoreContract, make_entry
from tests.stores.redis_scene import OpenPair, fails, works

SENTINELS_WORD: Final = "the-word-of-the-sentinels"
open_pair = redis_scene.open_pair


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(Cluster(tmp_path_factory.mktemp("cluster")), *RIGHTS_IN_A_CLUSTER) as servers:
        yield servers


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    with running(Sentinels(tmp_path_factory.mktemp("sentinels"), password=SENTINELS_WORD), *RIGHTS) as servers:
        yield servers


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    with running(Tls(tmp_path_factory.mktemp("tls")), *RIGHTS) as servers:
        yield servers


class TestClusterContract(StoreContract):
    @pytest.fixture
    def pair(self, cluster: Cluster, open_pair: OpenPair) -> Pair:
        return open_pair(cluster.settings(username=USER, password=WORD))


class TestSentinelContract(StoreContract):
    @pytest.fixture
    def pair(self, sentinels: Sentinels, open_pair: OpenPair) -> Pair:
        return open_pair(sentinels.settings(username=USER, password=WORD))


class TestTlsContract(StoreContract):
    @pytest.fixture
    def pair(self, tls: Tls, open_pair: OpenPair) -> Pair:
        return open_pair(tls.settings(username=USER, password=WORD))


@pytest.mark.parametrize("right", ["+mget", "+set", "+unlink", "+scan", "+getrange"])
async def test_each_right_is_needed_and_the_lack_of_it_told(tls: Tls, open_pair: OpenPair, right: str) -> None:
    tls.acl("less", *(one for one in RIGHTS if one != right))
    with pytest.raises(StoreUnavailable, match="may not run this command"):
        await works(open_pair(tls.settings(username="less", password=WORD)))


@pytest.mark.parametrize("right", ["+mget", "+set", "+unlink", "+scan", "+getrange", "+cluster|slots"])
async def test_so_are_those_in_a_cluster(cluster: Cluster, open_pair: OpenPair, right: str) -> None:
    cluster.acl("less", *(one for one in RIGHTS_IN_A_CLUSTER if one != right))
    with pytest.raises(StoreUnavailable, match="may not run this command"):
        await works(open_pair(cluster.settings(username="less", password=WORD)))


async def test_a_wrong_password_is_told_without_it(
    cluster: Cluster, sentinels: Sentinels, tls: Tls, open_pair: OpenPair
) -> None:
    for servers in (cluster, sentinels, tls):
        await fails(
            open_pair(servers.settings(username=USER, password="a-wrong-word-of-mine")), "user name or password"
        )


async def test_a_certificate_need_not_be_looked_at(tls: Tls, open_pair: OpenPair) -> None:
    settings = tls.settings(username=USER, password=WORD)
    await works(open_pair(settings.model_copy(update={"arguments": {"ssl_cert_reqs": "none"}})))


async def test_a_certificate_of_an_unknown_authority_is_told(tls: Tls, open_pair: OpenPair) -> None:
    settings = tls.settings(username=USER, password=WORD).model_copy(update={"arguments": {}})
    await fails(open_pair(settings), "ssl_ca_certs")


async def test_tls_by_url_and_without_a_look_at_the_host_name(tls: Tls, open_pair: OpenPair) -> None:
    url = SecretStr(f"rediss://{USER}:{WORD}@localhost:{tls.server.port}/0")
    arguments = {**tls.settings().arguments, "ssl_check_hostname": False, "ssl_cert_reqs": "required"}
    await works(open_pair(RedisSettings(url=url, arguments=arguments)))


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
async def test_a_file_that_cannot_be_read_is_told_at_once(tls: Tls, clock: Clock, name: str) -> None:
    settings = tls.settings(arguments={name: "/no/such/file-of-mine"})
    with pytest.raises(ConfigError, match=name) as raised:
        RedisReader(settings, "askonce:", clock)
    assert "of-mine" not in str(raised.value)


async def test_connections_share_what_tls_needs(tls: Tls) -> None:
    """To make it takes 20 ms of the event loop, which a frontend that reconnects has not got for each connection."""
    pool = connect(tls.settings(), 1.0).connection_pool
    assert pool.make_connection().ssl_context is pool.make_connection().ssl_context
    nodes = (Node(host="127.0.0.1", port=1), Node(host="127.0.0.1", port=2))
    reach = connect_nodes(tls.settings(cluster_nodes=nodes), 1.0)
    assert len({id(reach(node).connection_pool.make_connection().ssl_context) for node in nodes}) == 1
    settings = tls.settings(host=None, sentinel_nodes=nodes, service_name=SERVICE)
    pool = connect(settings, 1.0).connection_pool
    watchers = [one.connection_pool for one in pool.sentinel_manager.sentinels]
    assert len({id(one.make_connection().ssl_context) for one in (pool, *watchers)}) == 1


async def test_a_client_without_tls_is_no_use(tls: Tls, open_pair: OpenPair) -> None:
    await fails(open_pair(RedisSettings(host="127.0.0.1", port=tls.server.port)), "cannot be reached")


async def test_sentinels_and_servers_by_tls(tmp_path: Path, open_pair: OpenPair) -> None:
    with running(Sentinels(tmp_path, tls=Authority(tmp_path), password=SENTINELS_WORD), *RIGHTS) as servers:
        await works(open_pair(servers.settings(username=USER, password=WORD)))


@pytest.mark.parametrize(
    "other",
    [
        {"service_name": "another"},
        {"sentinel_password": "a-wrong-word-of-mine"},
        {"sentinel_nodes": (Node(host="127.0.0.1", port=port()),)},
    ],
)
async def test_sentinels_that_name_no_master_are_told(
    sentinels: Sentinels, open_pair: OpenPair, other: dict[str, Any]
) -> None:
    await fails(open_pair(sentinels.settings(username=USER, password=WORD, **other)), "no sentinel")


async def test_one_sentinel_that_answers_is_enough(sentinels: Sentinels, open_pair: OpenPair) -> None:
    nodes = (Node(host="127.0.0.1", port=port()), Node(host="localhost", port=sentinels.sentinels[2].port))
    await works(open_pair(sentinels.settings(username=USER, password=WORD, sentinel_nodes=nodes)))


async def test_a_database_of_the_master_and_more_askers_than_connections(
    sentinels: Sentinels, open_pair: OpenPair, clock: Clock
) -> None:
    sentinels.acl("selects", *RIGHTS, "+select", "+client|setname")
    arguments = {"client_name": "burst", "decode_responses": True}
    pair = open_pair(
        sentinels.settings(username="selects", password=WORD, db=3, max_connections=2, arguments=arguments)
    )
    entries = [make_entry(clock, n) for n in range(100)]
    await asyncio.gather(*(pair.writer.put([entry]) for entry in entries))
    assert await asyncio.gather(*(pair.get(entry.key) for entry in entries)) == [[entry] for entry in entries]
    with sentinels.client(sentinels.master) as client:
        assert 0 < len([one for one in client.client_list() if one["name"] == "burst"]) <= 2 * 2
        assert client.info("keyspace")["db3"]["keys"] == len(entries)


async def test_arguments_that_no_client_takes_are_told_at_once(sentinels: Sentinels, clock: Clock) -> None:
    settings = sentinels.settings(arguments={"no_such_argument": "hush"})
    with pytest.raises(ConfigError) as raised:
        RedisReader(settings, "askonce:", clock)
    assert "hush" not in str(raised.value)
