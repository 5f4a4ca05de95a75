"""Whether a provider answers, asked for its list of models and for nothing else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from askonce.config.settings import Deployment, ProxySettings
from askonce.frontend.reach import question, reach
from askonce.frontend.upstream import Upstream
from tests.frontend.kit import deployment
from tests.servers import free_port

MARK = "marked-secret"


@dataclass
class Provider:
    """Answers with the status that is the first part of its path. `seen` are the requests."""

    base: str = ""
    seen: list[web.Request] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        status = request.match_info["status"]
        if status == "never":
            await asyncio.sleep(600)
        if status == "cut":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=int(status), text=MARK, headers={"Location": "/200/models"})


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    made = Provider()
    app = web.Application()
    app.router.add_route("*", "/{status}/models", made.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    opened = Upstream(ProxySettings(), "test")
    yield opened
    await opened.close()


def at(base: str, **more: Any) -> Deployment:
    return deployment(**more).model_copy(update={"api_base": base})


BROKE_OFF = "the provider's answer broke off: ServerDisconnectedError"
TURNED_AWAY = "the configured key is turned away"


@pytest.mark.parametrize(
    ("status", "with_key", "without_key"),
    [
        ("200", None, None),
        ("307", None, None),
        ("404", None, None),
        ("405", None, None),
        ("429", None, None),
        ("401", f"{TURNED_AWAY} (HTTP 401)", None),
        ("403", f"{TURNED_AWAY} (HTTP 403)", None),
        ("500", "HTTP 500", "HTTP 500"),
        ("503", "HTTP 503", "HTTP 503"),
        ("cut", BROKE_OFF, BROKE_OFF),
    ],
)
async def test_whoever_answers_serves_but_who_turns_our_key_away_or_is_broken(
    provider: Provider, upstream: Upstream, status: str, with_key: str | None, without_key: str | None
) -> None:
    base = f"{provider.base}/{status}"
    assert await reach(upstream, at(base, api_key=SecretStr(MARK))) == with_key
    assert await reach(upstream, at(base, extra_headers={"authorization": f"Bearer {MARK}"})) == with_key
    assert await reach(upstream, at(base, extra_headers={"X-Team": MARK})) == without_key


async def test_who_is_not_there_or_says_nothing_is_told_without_the_address_of_anything_secret(
    provider: Provider, upstream: Upstream
) -> None:
    port = free_port()
    away = at(f"http://127.0.0.1:{port}/v1/{MARK}?code={MARK}", api_key=SecretStr(MARK))
    assert await reach(upstream, away) == f"no connection to 127.0.0.1:{port}: Connection refused"
    never = at(f"{provider.base}/never", api_key=SecretStr(MARK))
    assert await reach(upstream, never, within=0.1) == "the provider did not answer in time"
    assert await reach(upstream, at("", unsupported="api_base is missing")) == "api_base is missing"


async def test_it_is_asked_with_what_its_requests_are_sent_with(provider: Provider, upstream: Upstream) -> None:
    headers = {"X-Team": "blue", "user-agent": "ours"}
    one = at(
        f"{provider.base}/200", model="*", api_key=SecretStr("sk-own"), organization="org-1", extra_headers=headers
    )
    assert await reach(upstream, one) is None
    (seen,) = provider.seen
    assert (seen.method, seen.path) == ("GET", "/200/models")
    assert seen.headers["Authorization"] == "Bearer sk-own"
    assert seen.headers["OpenAI-Organization"] == "org-1"
    assert seen.headers["X-Team"] == "blue"
    assert seen.headers.getall("User-Agent") == ["ours"]
    assert "Content-Length" not in seen.headers


def test_entries_with_one_address_and_key_are_one_question() -> None:
    first, second = deployment("a", "one", api_key=SecretStr("k")), deployment("b", "*", api_key=SecretStr("k"))
    assert question(first) == question(second)
    assert question(first) != question(deployment("a", "one", api_key=SecretStr("l")))
    assert question(first) != question(first.model_copy(update={"organization": "org-1"}))
