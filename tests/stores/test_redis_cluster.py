"""A cluster that is not whole, that moves keys, that is found with difficulty. What all topologies do is in
test_redis_topologies, and the loss of a master that a replica follows in test_redis_failover.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis.crc import key_slot

from askonce.config.settings import Node, RedisSettings
from askonce.core.entry import Entry
from askonce.core.errors import ConfigError, StoreRefused, StoreUnavailable
from askonce.stores.guards import Guarded
from askonce.stores.redis.exact import RedisReader
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.redis_cluster import RIGHTS_IN_A_CLUSTER, Cluster
from tests.redis_topologies import USER, WORD, port, running
from tests.servers import Child, Valkey
from tests.stores import redis_scene
from tests.stores.contract import Clock, keys_of, make_entry, make_key, until_works
from tests.stores.redis_scene import OpenPair

open_pair = redis_scene.open_pair


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One whose replicas take over from nobody, so that what is away stays away. Tests leave it as it was."""
    options = ("--cluster-replica-no-failover", "yes", "--cluster-require-full-coverage", "no")
    with running(Cluster(tmp_path_factory.mktemp("cluster"), options=options)) as servers:
        yield servers


def shared_out(cluster: Cluster, prefix: str, entries: list[Entry], node: Child) -> tuple[list[Entry], list[Entry]]:
    """What this node has, and what the others have."""
    its = [entry for entry in entries if cluster.master(f"{prefix}{entry.key}") is node]
    return its, [entry for entry in entries if entry not in its]


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_a_node_that_is_away_fails_its_own_keys_only(
    cluster: Cluster, open_pair: OpenPair, clock: Clock, how: str
) -> None:
    arguments = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    pair = open_pair(cluster.settings(arguments=arguments), prefix="askonce:away:")
    entries = [make_entry(clock, n) for n in range(30)]
    await until_works(pair, *entries)
    node = cluster.nodes[1]
    its, others = shared_out(cluster, "askonce:away:", entries, node)
    assert its
    assert others
    (node.kill if how == "kill" else node.pause)()
    try:
        lost = asyncio.create_task(pair.get(its[0].key))
        await asyncio.sleep(0)
        for _ in range(3):
            assert [await pair.get(entry.key) for entry in others] == [[entry] for entry in others]
        with pytest.raises(StoreUnavailable):
            await lost
        for _ in range(3):
            for entry in its:
                with pytest.raises(StoreUnavailable):
                    await pair.get(entry.key)
        # half of the time after which a node is given up: those who travel together do not wait for that
        guarded = Guarded(pair.reader, deadline=0.5, metrics=Metrics(), log=Log("test"), timer=time.monotonic)
        asked = await asyncio.gather(*(guarded.get([entry.lookup]) for entry in entries), return_exceptions=True)
        assert [isinstance(one, StoreUnavailable) for one in asked] == [entry in its for entry in entries]
        with pytest.raises(StoreUnavailable):
            await pair.get(*keys_of(entries))
        await pair.reader.ping()
        with pytest.raises(StoreUnavailable):
            await pair.writer.ping()
        await pair.writer.delete(keys_of(others[:1]))
        await pair.writer.put(others)
        assert await pair.get(*keys_of(others)) == others
        for work in (pair.writer.put(entries), pair.writer.delete(keys_of(its)), pair.writer.remove(its)):
            with pytest.raises(StoreUnavailable):
                await work
    finally:
        (node.start if how == "kill" else node.resume)()
    await until_works(pair, *entries)
    await asyncio.to_thread(cluster.settle)


async def test_a_cluster_that_serves_nothing_without_all_its_nodes_is_away(
    cluster: Cluster, open_pair: OpenPair, clock: Clock
) -> None:
    pair = open_pair(cluster.settings())
    entries = [make_entry(clock, n) for n in range(9)]
    await until_works(pair, *entries)
    configure(cluster, "cluster-require-full-coverage", "yes")
    cluster.nodes[2].kill()
    try:
        async with asyncio.timeout(60):
            while "does not serve" not in str((await asyncio.gather(pair.reader.ping(), return_exceptions=True))[0]):
                await asyncio.sleep(0.05)
        for entry in entries:
            with pytest.raises(StoreUnavailable):
                await pair.get(entry.key)
    finally:
        cluster.nodes[2].start()
        configure(cluster, "cluster-require-full-coverage", "no")
    await until_works(pair, *entries)
    await asyncio.to_thread(cluster.settle)


def configure(cluster: Cluster, name: str, value: str) -> None:
    for node in cluster.running():
        with cluster.client(node) as client:
            client.config_set(name, value)


async def test_an_entry_larger_than_the_nodes_take_is_refused(
    cluster: Cluster, open_pair: OpenPair, clock: Clock
) -> None:
    pair = open_pair(cluster.settings())
    small = [make_entry(clock, n) for n in range(9)]
    large = make_entry(clock, "large", payload=bytes(3 << 20))
    await until_works(pair, *small)
    configure(cluster, "proto-max-bulk-len", "1mb")
    try:
        with pytest.raises(StoreRefused):
            await pair.writer.put([large])
        assert await pair.get(*keys_of(small), large.key) == [*small, None]
    finally:
        configure(cluster, "proto-max-bulk-len", "512mb")
    await until_works(pair, large)


async def test_keys_that_are_moved_are_found_where_they_are(
    cluster: Cluster, open_pair: OpenPair, clock: Clock
) -> None:
    prefix = "askonce:{moved}:"  # one slot
    cluster.acl(USER, *RIGHTS_IN_A_CLUSTER)
    settings = cluster.settings(username=USER, password=WORD)
    pair, idle = open_pair(settings, prefix), open_pair(settings, prefix)
    gone, here, absent, later = (make_entry(clock, name) for name in ("gone", "here", "absent", "later"))
    for one in (pair, idle):
        await until_works(one, gone, here)
    slot, source = key_slot(b"moved"), cluster.master(prefix)
    target = await asyncio.to_thread(cluster.join, "target")
    cluster.acl(USER, *RIGHTS_IN_A_CLUSTER)
    cluster.ask(target, "SETSLOT", slot, "IMPORTING", cluster.ask(source, "MYID"))
    cluster.ask(source, "SETSLOT", slot, "MIGRATING", cluster.ask(target, "MYID"))
    cluster.migrate(source, target, f"{prefix}{gone.key}")
    assert await pair.get(gone.key, here.key, absent.key) == [gone, here, None]
    await pair.writer.put([later, replace(gone, stored_at=gone.stored_at + 1)])
    assert await pair.get(later.key) == [later]
    await pair.writer.delete([later.key, absent.key])
    assert await pair.get(later.key) == [None]
    cluster.migrate(source, target, f"{prefix}{here.key}")
    for node in (target, source):
        cluster.ask(node, "SETSLOT", slot, "NODE", cluster.ask(target, "MYID"))
    for one in (pair, idle):
        assert [found and found.payload for found in await one.get(gone.key, here.key)] == [gone.payload, here.payload]
        await one.writer.put([replace(here, stored_at=here.stored_at + 1)])
        await one.writer.remove([here])
        await one.writer.ping()


async def test_a_burst_waits_for_connections_and_takes_no_more_than_it_may(
    cluster: Cluster, open_pair: OpenPair, clock: Clock
) -> None:
    pair = open_pair(cluster.settings(max_connections=2, arguments={"client_name": "burst"}))
    entries = [make_entry(clock, n) for n in range(200)]
    await asyncio.gather(*(pair.writer.put([entry]) for entry in entries))
    assert await asyncio.gather(*(pair.get(entry.key) for entry in entries)) == [[entry] for entry in entries]
    for node in cluster.nodes[:3]:
        with cluster.client(node) as client:
            burst = [one for one in client.client_list() if one["name"] == "burst"]
        assert 0 < len(burst) <= 2 * 2, "of a reader and of a writer"


async def test_a_connection_that_was_closed_while_idle_costs_nothing(
    cluster: Cluster, open_pair: OpenPair, clock: Clock
) -> None:
    pair = open_pair(cluster.settings())
    entries = [make_entry(clock, n) for n in range(9)]
    await until_works(pair, *entries)
    for node in cluster.nodes:
        with cluster.client(node) as client:
            client.client_kill_filter(_type="normal", skipme=True)
    await asyncio.sleep(0.02)
    assert await pair.get(*keys_of(entries)) == entries
    await pair.writer.put(entries)


async def test_any_node_that_answers_is_enough_to_find_the_others(
    cluster: Cluster, open_pair: OpenPair, clock: Clock
) -> None:
    seeds = (Node(host="127.0.0.1", port=port()), Node(host="localhost", port=cluster.nodes[4].port))
    pair = open_pair(cluster.settings(cluster_nodes=seeds))
    entries = [make_entry(clock, n) for n in range(9)]
    await pair.reader.ping()
    await pair.writer.put(entries)
    assert await pair.get(*keys_of(entries)) == entries


async def test_no_node_at_all_is_an_outage(open_pair: OpenPair, clock: Clock) -> None:
    pair = open_pair(RedisSettings(cluster_nodes=(Node(host="127.0.0.1", port=port()),)))
    for work in (pair.get(make_key("q")), pair.reader.ping(), pair.writer.ping(), pair.writer.put([make_entry(clock)])):
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await work


async def test_a_server_that_is_no_member_of_a_cluster_is_told(
    start_valkey: Callable[..., Valkey], open_pair: OpenPair
) -> None:
    nodes = (Node(host="127.0.0.1", port=start_valkey().port),)
    pair = open_pair(RedisSettings(cluster_nodes=nodes))
    with pytest.raises(StoreUnavailable, match="no member of a cluster"):
        await pair.get(make_key("q"))


async def test_arguments_of_redis_pys_cluster_are_taken(cluster: Cluster, open_pair: OpenPair, clock: Clock) -> None:
    arguments: dict[str, Any] = {
        "require_full_coverage": False,
        "read_from_replicas": True,
        "reinitialize_steps": 3,
        "cluster_error_retry_attempts": 2,
        "socket_timeout": 3,
        "decode_responses": True,
    }
    pair = open_pair(cluster.settings(arguments=arguments))
    await until_works(pair, *(make_entry(clock, n) for n in range(9)))


@pytest.mark.parametrize("arguments", [{"no_such_argument": "hush"}, {"unix_socket_path": "hush"}, {"db": 3}])
async def test_arguments_that_no_cluster_takes_are_told_at_once(
    cluster: Cluster, clock: Clock, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError) as raised:
        RedisReader(cluster.settings(arguments=arguments), "askonce:", clock)
    assert "hush" not in str(raised.value)
