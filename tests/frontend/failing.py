"""Providers that fail as a test says, and a router that asks them. The time that is waited is not spent."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from askonce.config.policies import RoutingSettings
from askonce.config.settings import ProxySettings
from askonce.frontend.deployments import Deployments
from askonce.frontend.routing.attempts import asking
from askonce.frontend.routing.members import Member
from askonce.frontend.routing.router import Course, Router
from askonce.frontend.upstream import Upstream
from askonce.telemetry.metrics import Metrics
from tests.frontend.groups import router
from tests.frontend.kit import Clock, ask, deployment

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def says(status: int, text: str = "", **headers: str) -> Answering:
    async def answer(_request: web.Request) -> web.StreamResponse:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=text or str(status), headers=given)

    return answer


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """In the middle of the head."""
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
    request.transport.close()
    return web.Response()


async def breaks(request: web.Request) -> web.StreamResponse:
    """Behind the head, before the first byte."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    assert request.transport is not None
    request.transport.close()
    return response


async def breaks_late(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b"data: 1\n\n")
    await asyncio.sleep(0.05)
    assert request.transport is not None
    request.transport.close()
    return response


async def sleeps(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


@dataclass
class Stage:
    """`asked` is who was, in order; `waits` are the seconds that were waited in between, without waiting."""

    router: Router
    known: Deployments
    upstream: Upstream
    metrics: Metrics
    clock: Clock
    asked: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    @property
    def members(self) -> list[Member]:
        return list(self.router.members)

    def course(self, body: dict[str, Any] = BODY, headers: dict[str, str] | None = None) -> Course:
        return self.router.course(self.known.route("m", "/chat/completions"), ask(body, headers=headers))

    async def asks(self, body: dict[str, Any] = BODY, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body that came in the end."""
        course = self.course(body, headers)
        try:
            async with asking(self.upstream, course, ask(body, headers=headers), body, None) as answer:
                return answer.status, b"".join([chunk async for chunk in answer.chunks()])
        finally:
            course.end()
            assert not any(member.in_flight for member in self.router.members)


@asynccontextmanager
async def staged(
    *scripts: Sequence[Answering], each: Sequence[dict[str, Any]] = (), patience: float = 600.0, **settings: Any
) -> AsyncIterator[Stage]:
    """A deployment for each script, in this order of turns; each script's last answer is given for ever."""
    async with AsyncExitStack() as stack:
        asked, waits, clock, metrics = list[str](), list[float](), Clock(), Metrics()
        entries = []
        for n, script in enumerate(scripts):
            left = deque(script)

            async def answer(request: web.Request, n: int = n, left: deque[Answering] = left) -> web.StreamResponse:
                asked.append(f"m{n}")
                return await (left.popleft() if len(left) > 1 else left[0])(request)

            app = web.Application()
            app.router.add_post("/chat/completions", answer)
            server = await stack.enter_async_context(TestServer(app))
            more = {"order": n, **(each[n] if each else {})}
            one = deployment("m", f"m{n}", api_key="sk-own", **more)
            entries.append(one.model_copy(update={"api_base": str(server.make_url("")).rstrip("/")}))

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            clock.now += seconds

        known = Deployments(entries)
        routing = RoutingSettings(**{"allowed_fails": 100, **settings})
        way = router(routing, metrics=metrics, clock=clock, sleep=sleep, known=known, patience=patience)
        upstream = Upstream(ProxySettings(), "test")
        stack.push_async_callback(upstream.close)
        yield Stage(way, known, upstream, metrics, clock, asked, waits)
