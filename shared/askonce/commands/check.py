"""`askonce check`: what is in force, what is ignored and why, and whether every backend answers."""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import uvloop

from askonce.bus.probe import probe
from askonce.commands.processes import VERSION
from askonce.config.describe import describe
from askonce.config.settings import Settings
from askonce.core.errors import AskonceError
from askonce.frontend.deployments import Deployments
from askonce.frontend.embedders.open import NotServed, open_embedder
from askonce.frontend.upstream import Upstream
from askonce.runtime.clock import timer, wall
from askonce.stores.disk import FOLDER
from askonce.stores.registry import STORES

_WITHIN = 5.0


def check(settings: Settings) -> int:
    """0 when every backend answers, 1 when one does not."""
    for name, value in describe(settings):
        print(f"{name:<32} {value}")
    print()
    return uvloop.run(_ping_all(settings))


async def _ping_all(settings: Settings) -> int:
    outcomes = [("store", await _store(settings)), ("queue", await _queue(settings))]
    if settings.cache.semantic is not None:
        outcomes.append((f"embedder {settings.cache.semantic.embedding_model}", await _embedder(settings)))
    bases = dict.fromkeys((one.api_base, one.api_key) for one in settings.deployments if one.unsupported is None)
    for base, key in bases:
        outcomes.append((f"provider {base}", await _provider(base, None if key is None else key.get_secret_value())))
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
    try:
        version = await probe(settings.proxy.nats_url.get_secret_value(), _WITHIN)
    except AskonceError as error:
        return False, str(error)
    return True, f"NATS {version} with JetStream answers"


async def _provider(base: str, key: str | None) -> tuple[bool, str]:
    """Any HTTP answer to GET /models is an answer; only a key of ours that is turned away is a failure."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        timeout = aiohttp.ClientTimeout(total=_WITHIN)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{base}/models", headers=headers) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return False, type(error).__name__
    if key is not None and status in {401, 403}:
        return False, f"the configured key is turned away (HTTP {status})"
    return True, f"HTTP {status}"
