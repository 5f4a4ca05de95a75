"""What operators are shown of Redis: by one server, behind sentinels, of a cluster, and to users of few rights."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from askonce.config.identities import AwsIam, AzureIam, GcpIam
from askonce.config.settings import Node, RedisSettings
from askonce.core.errors import ConfigError, StoreUnavailable
from askonce.stores.redis.info import RedisInspector, as_said, describe
from askonce.stores.registry import STORES
from tests.redis_cluster import RIGHTS_IN_A_CLUSTER, Cluster
from tests.redis_sentinels import SERVICE, Sentinels
from tests.redis_topologies import KEEPER, KEEPERS_WORD, USER, WORD, port, running
from tests.servers import Valkey

LOGIN = {"username": KEEPER, "password": KEEPERS_WORD}
MARK = "marked-secret"
STARS = "******"


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    with redis.Redis(port=server.port) as client:
        client.execute_command("ACL SETUSER", "listless", "on", f">{WORD}", "~*", "+@all", "-client")
        client.execute_command("ACL SETUSER", "deaf", "on", f">{WORD}", "~*", "+@all", "-info")
    yield server
    server.stop()


@asynccontextmanager
async def inspecting(settings: RedisSettings, within: float = 30.0) -> AsyncIterator[RedisInspector]:
    inspector = RedisInspector(settings, within)
    try:
        yield inspector
    finally:
        await inspector.close()


def at(valkey: Valkey, **more: Any) -> RedisSettings:
    return RedisSettings(host="127.0.0.1", port=valkey.port, **more)


async def test_a_server_tells_its_clients_and_all_of_its_info(valkey: Valkey) -> None:
    async with inspecting(at(valkey)) as inspector:
        told = await inspector.told()
        with redis.Redis(port=valkey.port) as plain:
            said = plain.info()
        assert told.info.keys() >= said.keys() - {"total_error_replies"}
        assert told.info["tcp_port"] == valkey.port
        assert told.clients is not None
        assert {"addr", "cmd", "id", "user"} <= told.clients[0].keys()
        assert sum(client["cmd"].startswith("client") for client in told.clients) == 1
        version = await inspector.version()
        assert isinstance(version, str)
        assert version == told.info["redis_version"]
        assert len(version.split(".")) == 3


async def test_a_user_who_may_not_list_clients_is_told_the_rest(valkey: Valkey) -> None:
    async with inspecting(at(valkey, username="listless", password=SecretStr(WORD))) as inspector:
        told = await inspector.told()
        assert told.clients is None
        assert told.info["redis_version"] == await inspector.version()


async def test_a_user_who_may_not_ask_for_info_is_told_so(valkey: Valkey) -> None:
    async with inspecting(at(valkey, username="deaf", password=SecretStr(WORD))) as inspector:
        for verb in (inspector.told, inspector.version):
            with pytest.raises(StoreUnavailable, match="may not run this command"):
                await verb()


async def test_a_server_that_is_away_is_told_in_words_without_an_address() -> None:
    async with inspecting(RedisSettings(host="127.0.0.1", port=port(), password=SecretStr(MARK))) as inspector:
        with pytest.raises(StoreUnavailable) as raised:
            await inspector.told()
        assert str(raised.value) == "redis: cannot be reached"
        with pytest.raises(StoreUnavailable):
            await inspector.version()


async def test_a_server_that_hangs_is_not_waited_for_as_long_as_the_settings_would(tmp_path: Path) -> None:
    server = Valkey(tmp_path)
    server.start()
    server.pause()
    try:
        async with inspecting(at(server, arguments={"socket_timeout": 600.0}), within=0.2) as inspector:
            with pytest.raises(StoreUnavailable, match="no answer in time"):
                await inspector.told()
    finally:
        server.kill()


async def test_the_master_that_sentinels_name_is_asked(tmp_path: Path) -> None:
    with running(Sentinels(tmp_path)) as servers:
        async with inspecting(servers.settings(**LOGIN)) as inspector:
            told = await inspector.told()
            assert (told.info["tcp_port"], told.info["role"]) == (servers.master.port, "master")
            assert inspector.described.arguments["service_name"] == SERVICE
            assert (inspector.described.host, inspector.described.port) == (None, None)


async def test_every_master_of_a_cluster_is_asked_although_a_seed_is_away(tmp_path: Path) -> None:
    with running(Cluster(tmp_path), *RIGHTS_IN_A_CLUSTER) as cluster:
        seeds = (Node(host="127.0.0.1", port=port()), *cluster.settings().cluster_nodes)
        masters = {f"127.0.0.1:{node.port}" for node in cluster.nodes[:3]}
        async with inspecting(cluster.settings(cluster_nodes=seeds, **LOGIN)) as inspector:
            told = await inspector.told()
            assert set(told.info) == masters
            assert {info["role"] for info in told.info.values()} == {"master"}
            assert told.clients is not None
            assert {client["laddr"] for client in told.clients} == masters
            assert await inspector.version() == next(iter(told.info.values()))["redis_version"]
        async with inspecting(cluster.settings(username=USER, password=WORD)) as inspector:
            with pytest.raises(StoreUnavailable, match="may not run this command"):
                await inspector.told()
    async with inspecting(RedisSettings(cluster_nodes=seeds)) as inspector:
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await inspector.told()


def test_a_version_is_text_and_a_long_number_too() -> None:
    """redis-py would read 7.10 as 7.1, and an id of digits alone as a number that JSON cannot hold."""
    read: Any = as_said(redis.Redis().response_callbacks["INFO"])
    assert read(b"# Server\r\nredis_version:7.10\r\nrun_id:%s\r\nuptime:12\r\n" % (b"1" * 40)) == {
        "redis_version": "7.10",
        "run_id": "1" * 40,
        "uptime": 12,
    }
    assert read(b"uptime:1\r\n") == {"uptime": 1}


SECRETS: dict[str, Any] = {
    "username": f"user-{MARK}",
    "password": SecretStr(MARK),
    "sentinel_password": SecretStr(f"of-sentinels-{MARK}"),
    "arguments": {"ssl_password": MARK, "ssl_ca_data": MARK, "client_name": MARK, "socket_timeout": 2.5},
}
NODES = (Node(host="one", port=7001), Node(host="two", port=7002))
PLACES: dict[str, tuple[dict[str, Any], str | None, int | None, str]] = {
    "host": ({"host": "redis.example", "port": 7000, "db": 3}, "redis.example", 7000, "port=7000,db=3"),
    "url": ({"url": f"rediss://u-{MARK}:{MARK}@redis.example:7000/3"}, "redis.example", 7000, "port=7000,db=3"),
    "url with an odd password": ({"url": f"redis://:/{MARK}#?@@redis.example"}, None, None, "Redis<"),
    "url with a query": ({"url": f"redis://redis.example/2?password={MARK}"}, "redis.example", 6379, "db=2"),
    "url without more": ({"url": "redis://redis.example"}, "redis.example", 6379, "port=6379,db=0"),
    "socket": ({"url": f"unix://:{MARK}@/run/redis.sock?db=1"}, None, None, "UnixDomainSocketConnection<path=/run/"),
    "sentinels": ({"sentinel_nodes": NODES, "service_name": "mine", "db": 1}, None, None, "service=mine"),
    "cluster": ({"cluster_nodes": NODES}, None, None, "one:7001,two:7002"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLACES)
def test_where_a_server_is_can_be_shown_and_how_one_is_let_in_cannot(case: str) -> None:
    place, host, number, words = PLACES[case]
    if "url" in place:
        place = {"url": SecretStr(place["url"])}
    told = describe(RedisSettings(**place, **SECRETS))
    assert MARK not in repr(told)
    assert (told.host, told.port) == (host, number)
    assert words in told.client
    assert told.pool in told.client
    assert told.arguments["password"] == told.arguments["username"] == told.arguments["ssl_password"] == STARS
    assert told.arguments["socket_timeout"] == 2.5
    told_place = told.arguments.get("url", told.arguments.get("host", ""))
    assert ("******@" in told_place) == ("url" in place and "@" in place["url"].get_secret_value())


def test_tls_limits_and_whose_tokens_are_used_are_shown() -> None:
    told = describe(RedisSettings(host="h", ssl=True, max_connections=7))
    assert told.arguments == {"host": "h", "port": 6379, "db": 0, "ssl": True, "max_connections": 7}
    assert told.client == "Redis<BlockingConnectionPool<SSLConnection<host=h,port=6379,db=0>>>"
    for iam in (
        GcpIam(service_account=MARK),
        AwsIam(user=MARK, cache=MARK, region="eu"),
        AzureIam(client_id=MARK, client_secret=SecretStr(MARK)),
    ):
        told = describe(RedisSettings(host="h", iam=iam))
        assert told.arguments["credential_provider"] == type(iam).__name__
        assert MARK not in repr(told)


def test_types_without_redis_have_no_inspector() -> None:
    assert {name for name, row in STORES.items() if row.open_inspector is not None} == {"redis", "redis-semantic"}


def test_settings_that_no_client_takes_are_told_at_the_start() -> None:
    with pytest.raises(ConfigError):
        RedisInspector(RedisSettings(host="h", arguments={"nonsense": 1}))
