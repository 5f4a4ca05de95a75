"""`askonce check`: what is in force, what works of the file and what does not, and whether every backend answers."""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from askonce.bus.login import login
from askonce.bus.probe import probe
from askonce.commands.processes import VERSION
from askonce.config.describe import describe, standing, without_credentials
from askonce.config.settings import RedisSettings, Settings
from askonce.core.errors import AskonceError, UpstreamError
from askonce.frontend.deployments import Deployments
from askonce.frontend.embedders.open import NotServed, open_embedder
from askonce.frontend.reach import Asked, fault, question, status
from askonce.frontend.upstream import Upstream
from askonce.runtime.clock import timer, wall
from askonce.stores.counting.opening import own_redis, ping
from askonce.stores.disk import FOLDER
from askonce.stores.registry import STORES

_WITHIN = 5.0
_WIDEST = 60  # characters of a name that its text is aligned behind

Outcome = tuple[str, tuple[bool, str]]


def check(settings: Settings) -> int:
    """0 when every backend answers, 1 when one does not."""
    lines = describe(settings)
    width = min(_WIDEST, max(len(name) for name, _ in lines))
    for name, value in lines:
        print(f"{name:<{width}} {value}")
    print()
    if stand := list(standing(settings)):
        print("\n".join(stand), end="\n\n")
    return uvloop.run(_ping_all(settings))


async def _ping_all(settings: Settings) -> int:
    outcomes: list[Outcome] = [("store", await _store(settings)), ("queue", await _queue(settings))]
    if (redis := own_redis(settings)) is not None:
        outcomes.append(("limits", await _limits(redis)))
    if settings.cache.semantic is not None:
        outcomes.append((f"embedder {settings.cache.semantic.embedding_model}", await _embedder(settings)))
    outcomes += await _providers(settings)
    for name, (well, words) in outcomes:
        print(f"{'ok  ' if well else 'FAIL'} {name}: {words}")
    return 0 if all(well for _, (well, _words) in outcomes) else 1


async def _store(settings: Settings) -> tuple[bool, str]:
    row = STORES[settings.cache.type]
    if not settings.cache.enabled:
        return True, "caching is off"
    if not row.shared:
        return True, "in each frontend's memory, nothing to reach"
    disk = settings.cache.disk
    if disk is not None and not os.access(disk.path / FOLDER, os.F_OK):
        return _to_be_made(disk.path / FOLDER)
    try:
        async with AsyncExitStack() as opened:
            reader = row.open_reader(settings, wall)
            opened.push_async_callback(reader.close)
            async with asyncio.timeout(_WITHIN):
                await reader.ping()
    except (AskonceError, TimeoutError) as error:
        return False, str(error) or f"{settings.cache.type}: no answer in time"
    return True, f"{settings.cache.type} answers"


async def _limits(redis: RedisSettings) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(_WITHIN):
            await ping(redis)
    except (AskonceError, TimeoutError) as error:
        return False, f"{str(error) or 'no answer in time'}: each process counts for itself until it can"
    return True, "redis answers"


async def _embedder(settings: Settings) -> tuple[bool, str]:
    try:
        async with AsyncExitStack() as opened:
            upstream = Upstream(settings.proxy, VERSION)
            opened.push_async_callback(upstream.close)
            embedder = open_embedder(settings, upstream, Deployments(settings.deployments))
            opened.push_async_callback(embedder.close)
            began = timer()
            async with asyncio.timeout(_WITHIN):
                (vector,) = await embedder.embed(["word"])
            if (took := timer() - began) > settings.proxy.embedding_deadline:
                return False, f"took {took:.1f} s, and embedding_deadline is {settings.proxy.embedding_deadline:g} s"
    except NotServed:
        return True, "not asked: its provider cannot be served, and answers are matched exactly"
    except (AskonceError, TimeoutError) as error:
        return False, str(error) or "no answer in time"
    return vector is not None, f"{embedder.space}, {len(vector or b'') // 4} dimensions"


def _to_be_made(folder: Path) -> tuple[bool, str]:
    """A check makes nothing. Whether it can be made is up to the nearest folder that is there."""
    nearest = next(parent for parent in folder.absolute().parents if os.access(parent, os.F_OK))
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return True, f"disk: nothing there yet; {folder} will be made"
    return False, f"disk: {folder} cannot be made, for {nearest} is no folder that can be written to"


async def _queue(settings: Settings) -> tuple[bool, str]:
    if settings.proxy.nats_url is None:
        return True, "`askonce up` runs its own nats-server"
    url = settings.proxy.nats_url.get_secret_value()
    try:
        version = await probe(url, login(url, settings.proxy), _WITHIN)
    except AskonceError as error:
        return False, str(error)
    return True, f"NATS {version} with JetStream answers"


async def _providers(settings: Settings) -> list[Outcome]:
    """One for each address and key."""
    served = {question(one): one for one in settings.deployments if one.unsupported is None}
    async with AsyncExitStack() as opened:
        upstream = Upstream(settings.proxy, VERSION)
        opened.push_async_callback(upstream.close)
        return [
            (f"provider {without_credentials(one.api_base)}", await _provider(upstream, asked))
            for asked, one in served.items()
        ]


async def _provider(upstream: Upstream, asked: Asked) -> tuple[bool, str]:
    try:
        answered = await status(upstream, asked)
    except UpstreamError as error:
        return False, str(error)
    wrong = fault(asked, answered)
    return wrong is None, wrong or f"HTTP {answered}"
