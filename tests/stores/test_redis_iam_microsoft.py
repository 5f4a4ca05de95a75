"""Tokens of Microsoft Entra as passwords of Redis: an application with a secret, and the machine's own identity."""

import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.credentials import CredentialProvider

from askonce.config.identities import AzureIam
from askonce.core.errors import ConfigError
from askonce.stores.redis.iam import NoToken, provider
from tests.redis_topologies import Authority
from tests.servers import Valkey, free_port
from tests.token_endpoints import Microsoft, no_cloud


@pytest.fixture
async def microsoft(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Microsoft]:
    """Entra at an authority of our own, which has to speak TLS."""
    no_cloud(monkeypatch, tmp_path)
    authority = Authority(tmp_path / "authority")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(authority.certificate, authority.key)
    stand_in = Microsoft()
    async with stand_in.listening(tls):
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", stand_in.base)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca))
        yield stand_in


def application(microsoft: Microsoft, secret: str | None = None) -> CredentialProvider:
    told = SecretStr(microsoft.secret if secret is None else secret)
    return provider(AzureIam(client_id=microsoft.client, tenant_id=microsoft.tenant, client_secret=told))


async def test_a_token_of_an_application_opens_a_connection_for_its_object_id(microsoft, tmp_path):
    mine = application(microsoft)
    assert await mine.get_credentials_async() == (microsoft.user, microsoft.given[0])
    server = Valkey(tmp_path / "valkey")
    server.start()
    try:
        async with Redis(port=server.port) as keeper, Redis(port=server.port, credential_provider=mine) as client:
            await keeper.execute_command("ACL SETUSER", microsoft.user, "on", f">{microsoft.given[0]}", "+@all")
            assert await client.execute_command("ACL WHOAMI") == microsoft.user
    finally:
        server.kill()
    assert len(microsoft.given) == 1


async def test_a_machine_has_an_identity_of_its_own(microsoft, monkeypatch):
    async with (machine := Microsoft()).listening():
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{machine.base}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", machine.header)
        assert await provider(AzureIam()).get_credentials_async() == (machine.user, machine.given[0])
    assert microsoft.given == []


async def test_a_wrong_secret_is_told_and_not_quoted(microsoft, caplog):
    caplog.set_level(logging.WARNING)
    with pytest.raises(NoToken, match=r"^Microsoft gives no token") as caught:
        await application(microsoft, "of~another").get_credentials_async()
    for text in (caplog.text, str(caught.value), repr(caught.value)):
        assert "of~another" not in text


async def test_entra_away_is_told(microsoft, monkeypatch):
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"https://127.0.0.1:{free_port()}")
    with pytest.raises(NoToken, match="Microsoft"):
        await application(microsoft).get_credentials_async()


@pytest.mark.parametrize("missing", ["client_id", "tenant_id"])
def test_a_secret_of_nobody_is_a_wrong_setting(missing):
    told = {"client_id": "a", "tenant_id": "b", "client_secret": SecretStr("of~nobody")}
    with pytest.raises(ConfigError, match="azure_client_secret") as caught:
        provider(AzureIam(**{**told, missing: None}))
    assert "of~nobody" not in str(caught.value)
