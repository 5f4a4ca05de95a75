"""Looking after providers: how many are asked at a time, and which routes there are for operators."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from askonce.bus.local import LocalBus
from askonce.config.settings import CacheSettings, ProxySettings, Settings
from askonce.frontend.admin.health import Providers
from askonce.frontend.admin.listed import Listed
from askonce.frontend.admin.table import Admin
from askonce.frontend.auth import Gate
from askonce.frontend.deployments import Deployments
from askonce.frontend.upstream import Upstream
from askonce.stores.memory import MemoryStore
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.e2e.admin_scene import DEEDS, LOOKS, OPEN
from tests.frontend.kit import Clock, deployment, settle, until

MANY = 40


class Provider:
    """Answers nobody until it is told to."""

    def __init__(self) -> None:
        self.asked = self.waiting = self.most = 0
        self.go_on = asyncio.Event()

    async def answer(self, _request: web.Request) -> web.StreamResponse:
        self.asked += 1
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self.go_on.wait()
        self.waiting -= 1
        return web.Response()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    opened = Upstream(ProxySettings(), "test")
    yield opened
    await opened.close()


def settings() -> Settings:
    cache = CacheSettings(type="local", call_types=frozenset())
    return Settings(source="test", deployments=(), cache=cache, proxy=ProxySettings())


async def test_some_providers_are_asked_at_once_however_many_there_are_and_want_to_know(upstream: Upstream) -> None:
    provider = Provider()
    app = web.Application()
    app.router.add_get("/{number}/models", provider.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        entries = [deployment().model_copy(update={"api_base": f"{base}/{n}"}) for n in range(MANY)]
        providers = Providers(Listed(Deployments([])), upstream)
        looks = [asyncio.create_task(providers.faults([*entries, entries[0]])) for _ in range(2)]
        await until(lambda: provider.waiting > 1)
        await settle()
        provider.go_on.set()
        assert await asyncio.gather(*looks) == [[None] * (MANY + 1)] * 2
        assert provider.asked == 2 * MANY
        assert 1 < provider.most <= 16
    finally:
        await runner.cleanup()


async def test_every_route_for_operators_is_among_those_that_are_tried(upstream: Upstream) -> None:
    metrics, bus = Metrics(), LocalBus(Clock())
    admin = Admin(
        cache=settings().cache, listed=Listed(Deployments([])), gate=Gate(None, None), deployments=Deployments([]),
        upstream=upstream, memory=MemoryStore(1 << 20, metrics), store=None, inspector=None,
        bus=bus.publisher(), keys=bus.bucket(), spent=bus.tally(), master=None, metrics=metrics,
        log=Log("test"), clock=Clock(), leaving=asyncio.Event(), draining=asyncio.Event(),
    )  # fmt: skip
    assert set(admin.routes()) == {
        *(("GET", path) for path in (*OPEN, *LOOKS)),
        *(("POST", path) for path in DEEDS),
    }
