"""Passwords of Redis that clouds give out, before real servers: what opens a connection, and what no longer does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from redis import exceptions as errors
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider

from askonce.config.settings import AwsIam, RedisSettings
from askonce.core.entry import Entry
from askonce.core.errors import StoreUnavailable
from askonce.stores.redis.exact import RedisReader, RedisWriter
from askonce.stores.redis.iam import NoToken, provider
from tests.redis_cluster import Cluster
from tests.redis_topologies import Authority
from tests.servers import Valkey, free_port
from tests.stores.contract import Clock, Pair, keys_of, make_entry
from tests.token_endpoints import Amazon, Google, google_here, no_cloud, signed_by


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_cloud(monkeypatch, tmp_path)


@pytest.fixture
async def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Google]:
    async with google_here(monkeypatch, tmp_path) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """As Memorystore's: nodes that speak nothing but TLS and let nobody in without a token."""
    folder = tmp_path_factory.mktemp("cluster")
    nodes = Cluster(folder, tls=Authority(folder / "authority"))
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.kill()


def knows(cluster: Cluster, token: str) -> None:
    cluster.acl("default", "on", f">{token}", "~*", "&*", "+@all")


def forgets(cluster: Cluster) -> None:
    """All tokens have ended, and with them the connections that they had opened."""
    cluster.acl("default", "resetpass")
    for node in cluster.running():
        with cluster.client(node) as keeper:
            keeper.execute_command("CLIENT", "KILL", "USER", "default")


@asynccontextmanager
async def opened(settings: RedisSettings, clock: Clock) -> AsyncIterator[Pair]:
    reader, writer = RedisReader(settings, "", clock), RedisWriter(settings, "", clock)
    try:
        yield Pair(reader, writer, clock, sweeps=False)
    finally:
        await reader.close()
        await writer.close()


async def test_a_store_in_a_tls_cluster_goes_on_when_its_tokens_end(google, cluster, clock):
    google.tell = partial(knows, cluster)
    google.lifetime = 20.0  # too short to be handed out twice
    entries = [make_entry(clock, number) for number in range(20)]
    async with opened(cluster.settings(iam=google.iam()), clock) as store:
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


async def test_a_cluster_refuses_a_stale_token_and_takes_a_new_one(google, cluster, clock):
    google.tell = partial(knows, cluster)
    settings = cluster.settings(iam=google.iam())
    entry = make_entry(clock, "another")
    async with opened(settings, clock) as store:
        await store.writer.put([entry])
        assert await store.get(entry.key) == [entry]
        forgets(cluster)
        with pytest.raises(StoreUnavailable, match="does not accept the user name or password") as caught:
            await store.get(entry.key)
        assert not any(token in str(caught.value) for token in google.given)
    async with opened(settings, clock) as store:
        assert await store.get(entry.key) == [entry]


async def test_a_store_without_a_token_is_away_and_says_why(google, cluster, clock):
    google.status = 403
    async with opened(cluster.settings(iam=google.iam()), clock) as store:
        with pytest.raises(StoreUnavailable, match=r"^redis: Google gives no token for the service account$"):
            await store.reader.ping()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    users = ("--user", "keeper", "on", ">word", "~*", "&*", "+@all", "--user", "default", "off")
    valkey = Valkey(tmp_path_factory.mktemp("valkey"), options=users)
    valkey.start()
    yield valkey
    valkey.kill()


@pytest.fixture
async def keeper(server: Valkey) -> AsyncIterator[Redis]:
    """A client that sets what the others' passwords are."""
    async with Redis(port=server.port, username="keeper", password="word") as client:
        yield client


async def accept(keeper: Redis, user: str, password: str) -> None:
    """From here on this is the user's only password; connections that are open stay so."""
    await keeper.execute_command("ACL SETUSER", user, "resetpass", "on", f">{password}", "~*", "&*", "+@all")


@pytest.fixture
def amazonian(monkeypatch: pytest.MonkeyPatch) -> str:
    """The secret of the credentials in the environment."""
    secret = "of/Amazon+0123456789"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": "of/the+session=",
    }.items():
        monkeypatch.setenv(name, value)
    return secret


async def test_a_request_to_connect_is_signed_for_amazon(amazonian):
    iam = AwsIam(user="the user", cache="Answers", region="eu-central-1")
    user, password = await provider(iam).get_credentials_async()
    assert user == "the user"
    assert password.startswith("answers/?Action=connect&User=the%20user&")
    query = signed_by(amazonian, password, "eu-central-1")
    assert query.pop("X-Amz-Date")
    assert query == {
        "Action": "connect",
        "User": "the user",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": query["X-Amz-Credential"],
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Security-Token": "of/the+session=",
    }


async def test_a_serverless_cache_is_signed_for_as_such(amazonian):
    iam = AwsIam(user="reader", cache="answers", region="us-east-1", serverless=True)
    _, password = await provider(iam).get_credentials_async()
    assert signed_by(amazonian, password, "us-east-1")["ResourceType"] == "ServerlessCache"


@pytest.mark.parametrize("how", ["closed", "forgotten"])
async def test_a_signed_request_opens_connections_and_opens_them_again(amazonian, server, keeper, how):
    mine = provider(AwsIam(user="reader", cache="answers", region="us-east-1"))
    user, password = await mine.get_credentials_async()
    await accept(keeper, user, password)
    retry = Retry(NoBackoff(), 1, supported_errors=(errors.ConnectionError,))  # as the store's own client
    async with Redis(port=server.port, credential_provider=mine, retry=retry) as client:
        assert await client.execute_command("ACL WHOAMI") == "reader"
        if how == "closed":
            await keeper.execute_command("CLIENT KILL", "USER", "reader")
        else:
            await client.execute_command("RESET")
        assert await client.execute_command("ACL WHOAMI") == "reader"
        await accept(keeper, user, "another")
        await keeper.execute_command("CLIENT KILL", "USER", "reader")
        with pytest.raises(errors.AuthenticationError):
            await client.ping()


async def test_credentials_of_a_container_sign_too(monkeypatch):
    amazon = Amazon()
    async with amazon.listening():
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{amazon.base}/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", amazon.authorization)
        mine = provider(AwsIam(user="reader", cache="answers", region="us-east-1"))
        given = await asyncio.gather(*(mine.get_credentials_async() for _ in range(10)))
        assert len(set(given)) == 1
        assert len(amazon.given) == 1
        assert signed_by(amazon.given[0], given[0][1], "us-east-1")["X-Amz-Credential"].startswith("ASIA0/")


async def said(mine: CredentialProvider) -> str:
    with pytest.raises(NoToken) as caught:
        await mine.get_credentials_async()
    return str(caught.value)


async def test_amazon_away_or_unknown_is_told(monkeypatch):
    iam = AwsIam(user="reader", cache="answers", region="us-east-1")
    assert await said(provider(iam)) == "no credentials for Amazon in this environment"
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{free_port()}/credentials")
    assert await said(provider(iam)) == "the credentials for Amazon cannot be had"
