"""Tokens that are passwords: what is asked of Google and how often, who waits for it, and what is said without one."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.credentials import CredentialProvider

from askonce.config.identities import AzureIam, GcpIam
from askonce.core.errors import ConfigError
from askonce.stores.redis import tokens
from askonce.stores.redis.iam import NoToken, provider
from tests.servers import free_port
from tests.token_endpoints import Google, google_here


@pytest.fixture
async def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Google]:
    async with google_here(monkeypatch, tmp_path) as stand_in:
        yield stand_in


async def test_a_token_of_the_account_is_the_password_and_there_is_no_user(google):
    assert await google.provider().get_credentials_async() == (google.given[0],)
    assert google.asked == ["source", "token"]


async def test_an_account_may_be_given_by_its_address_alone(google):
    mine = provider(GcpIam(service_account=google.account, endpoint=google.base))
    assert await mine.get_credentials_async() == (google.given[0],)


async def test_connections_made_at_once_share_one_token(google):
    mine = google.provider()
    given = await asyncio.gather(*(mine.get_credentials_async() for _ in range(20)))
    assert set(given) == {(google.given[0],)}
    assert google.asked == ["source", "token"]


async def test_a_token_is_kept_while_it_lasts(google):
    mine = google.provider()
    assert len({await mine.get_credentials_async() for _ in range(5)}) == 1
    assert len(google.given) == 1


async def test_a_token_that_ends_soon_is_handed_out_while_the_next_one_is_fetched(google):
    google.lifetime = 200.0
    mine = google.provider()
    first = await mine.get_credentials_async()
    google.lifetime = 3600.0
    google.answering.clear()
    assert await mine.get_credentials_async() == first
    google.answering.set()
    async with asyncio.timeout(20):
        while await mine.get_credentials_async() == first:
            await asyncio.sleep(0.01)
    assert await mine.get_credentials_async() == (google.given[1],)
    assert len(google.given) == 2


async def test_a_token_about_to_end_is_handed_out_no_more(google):
    google.lifetime = 20.0
    mine = google.provider()
    assert [await mine.get_credentials_async() for _ in range(3)] == [(token,) for token in google.given]
    assert len(set(google.given)) == 3


async def test_a_renewal_that_fails_leaves_the_token_that_still_lasts(google):
    google.lifetime = 200.0
    mine = google.provider()
    first = await mine.get_credentials_async()
    google.status = 403
    for _ in range(3):
        assert await mine.get_credentials_async() == first
        await settled(mine)
    assert google.asked.count("token") > 2


async def settled(mine: CredentialProvider) -> None:
    async with asyncio.timeout(20):
        while mine._renewal is not None:
            await asyncio.sleep(0.01)


async def test_who_gives_up_leaves_the_token_to_the_others(google):
    google.answering.clear()
    mine = google.provider()
    impatient, patient = (asyncio.create_task(mine.get_credentials_async()) for _ in range(2))
    while len(google.asked) < 2:
        await asyncio.sleep(0.01)
    impatient.cancel()
    await asyncio.wait({impatient})
    google.answering.set()
    assert await patient == (google.given[0],)
    assert google.asked == ["source", "token"]


async def test_nobody_waits_for_ever(google, monkeypatch):
    monkeypatch.setattr(tokens, "ANSWER_SECONDS", 0.1)
    google.answering.clear()
    mine = google.provider()
    with pytest.raises(NoToken, match="in time"):
        await mine.get_credentials_async()
    google.answering.set()
    await settled(mine)
    assert await mine.get_credentials_async() == (google.given[0],), "what came too late was kept"


async def said(mine: CredentialProvider, caplog: pytest.LogCaptureFixture) -> str:
    """Its words for having no token, which are the whole of the exception; the log is searched for more."""
    caplog.set_level(logging.WARNING)
    with pytest.raises(NoToken) as caught:
        await mine.get_credentials_async()
    assert caught.value.__cause__ is None
    return str(caught.value)


async def test_a_refusal_of_google_is_told_without_its_words(google, caplog):
    google.status = 403
    assert await said(google.provider(), caplog) == "Google gives no token for the service account"
    for secret in (*google.sources, google.account, "PRIVATE KEY", "as told"):
        assert secret not in caplog.text


async def test_google_away_is_told_and_is_no_longer_than_it_is_away(google, caplog, tmp_path, monkeypatch):
    mine = provider(GcpIam(service_account=google.account, endpoint=f"http://127.0.0.1:{free_port()}"))
    assert await said(mine, caplog) == "Google's token service cannot be reached"
    google.status = 503
    mine = google.provider()
    assert await said(mine, caplog) == "Google gives no token for the service account"
    google.status = 200
    assert await mine.get_credentials_async() == (google.given[0],)


@pytest.mark.parametrize("file", ["missing", "empty", "of something else"])
async def test_credentials_that_are_none_are_told(google, caplog, tmp_path, monkeypatch, file):
    path = tmp_path / "credentials.json"
    if file != "missing":
        path.write_text("" if file == "empty" else '{"type": "service_account", "private_key": "sk-very-secret"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    assert await said(google.provider(), caplog) == "no usable credentials for Google in this environment"
    assert "sk-very-secret" not in caplog.text


@pytest.mark.parametrize(
    ("module", "foreign", "iam", "words"),
    [
        ("google", "google.auth", GcpIam(service_account="a"), "gcp_service_account: .*'askonce.gcp.'"),
        ("microsoft", "azure.identity", AzureIam(), "azure_redis_ad_token: .*'askonce.azure.'"),
    ],
)
def test_a_missing_extra_is_named(monkeypatch, module, foreign, iam, words):
    monkeypatch.delitem(sys.modules, f"askonce.stores.redis.iam_{module}", raising=False)
    monkeypatch.setitem(sys.modules, foreign, None)
    with pytest.raises(ConfigError, match=words):
        provider(iam)
