"""Passwords of Redis that clouds give out, before real servers: what opens a connection, and what no longer does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import exceptions as errors
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider

from askonce.config.identities import AwsIam
from askonce.stores.redis.iam import NoToken, provider
from tests.servers import Valkey, free_port
from tests.token_endpoints import Amazon, no_cloud, signed_by


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_cloud(monkeypatch, tmp_path)


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
