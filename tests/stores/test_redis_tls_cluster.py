"""A cluster that speaks nothing but TLS: with a user of few rights, and with passwords that a cloud gives out."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from askonce.core.entry import Entry
from askonce.core.errors import StoreUnavailable
from tests.redis_cluster import RIGHTS_IN_A_CLUSTER, Cluster
from tests.redis_topologies import USER, WORD, Authority, running
from tests.stores import redis_scene
from tests.stores.contract import Pair, keys_of, make_entry
from tests.stores.redis_scene import OpenPair, fails, works
from tests.token_endpoints import Google, google_here, no_cloud

open_pair = redis_scene.open_pair


@pytest.fixture
async def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Google]:
    no_cloud(monkeypatch, tmp_path)
    async with google_here(monkeypatch, tmp_path) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """As Memorystore's: nodes that speak nothing but TLS and let nobody in without a token."""
    folder = tmp_path_factory.mktemp("cluster")
    with running(Cluster(folder, tls=Authority(folder / "authority")), *RIGHTS_IN_A_CLUSTER) as servers:
        yield servers


def knows(cluster: Cluster, token: str) -> None:
    cluster.acl("default", "on", f">{token}", "~*", "&*", "+@all")


def forgets(cluster: Cluster) -> None:
    """All tokens have ended, and with them the connections that they had opened."""
    cluster.acl("default", "resetpass")
    for node in cluster.running():
        with cluster.client(node) as keeper:
            keeper.execute_command("CLIENT", "KILL", "USER", "default")


async def test_a_cluster_by_tls_with_a_user_of_few_rights(cluster: Cluster, open_pair: OpenPair) -> None:
    settings = cluster.settings(username=USER, password=WORD)
    await works(open_pair(settings))
    await fails(open_pair(settings.model_copy(update={"arguments": {}})), "ssl_ca_certs")


async def test_a_store_in_a_tls_cluster_goes_on_when_its_tokens_end(google, cluster, open_pair, clock):
    google.tell = partial(knows, cluster)
    google.lifetime = 20.0  # too short to be handed out twice
    entries = [make_entry(clock, number) for number in range(20)]
    store = open_pair(cluster.settings(iam=google.iam()))
    await store.writer.put(entries)
    assert await store.get(*keys_of(entries)) == entries
    forgets(cluster)
    before = len(google.given)
    await until_read(store, entries)
    assert len(google.given) > before


async def until_read(store: Pair, entries: list[Entry]) -> None:
    """Connections that were lost may cost reads."""
    async with asyncio.timeout(20):
        while True:
            with suppress(StoreUnavailable):
                if await store.get(*keys_of(entries)) == entries:
                    return
            await asyncio.sleep(0.02)


async def test_a_cluster_refuses_a_stale_token_and_takes_a_new_one(google, cluster, open_pair, clock):
    google.tell = partial(knows, cluster)
    settings = cluster.settings(iam=google.iam())
    entry = make_entry(clock, "another")
    before, after = (open_pair(settings, "askonce:") for _ in range(2))
    await before.writer.put([entry])
    assert await before.get(entry.key) == [entry]
    forgets(cluster)
    with pytest.raises(StoreUnavailable, match="does not accept the user name or password") as caught:
        await before.get(entry.key)
    assert not any(token in str(caught.value) for token in google.given)
    assert await after.get(entry.key) == [entry]


async def test_a_store_without_a_token_is_away_and_says_why(google, cluster, open_pair):
    google.status = 403
    with pytest.raises(StoreUnavailable, match=r"^redis: Google gives no token for the service account$"):
        await open_pair(cluster.settings(iam=google.iam())).reader.ping()
