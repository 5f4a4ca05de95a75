"""What a frontend looks answers up in, opened: its memory, and the store behind it with deadline and breaker."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypedDict

from askonce.config.settings import Settings
from askonce.core.errors import StoreUnavailable
from askonce.runtime.clock import timer, wall
from askonce.stores.guards import Guarded, GuardedMatcher
from askonce.stores.inspection import Inspector
from askonce.stores.memory import MemoryStore
from askonce.stores.registry import STORES
from askonce.stores.tier import Tiered
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

WARM_WITHIN: Final = 2.0  # seconds that a start waits for a connection
LATE: Final = "no answer in time"


@dataclass(frozen=True, slots=True)
class Backing:
    """`store` is None where memory is all there is; `matcher` is the same store where it matches by meaning;
    `inspector` is there where its server tells operators anything.
    """

    memory: MemoryStore
    store: Guarded | None
    matcher: GuardedMatcher | None
    inspector: Inspector | None
    tier: Tiered


class _Around(TypedDict):
    """What a guard is made with, whatever it guards."""

    deadline: float | None
    metrics: Metrics
    log: Log
    timer: Callable[[], float]


async def open_backing(settings: Settings, metrics: Metrics, log: Log, at_close: Callable[..., object]) -> Backing:
    """A store that is away is only told."""
    proxy = settings.proxy
    memory = MemoryStore(max_bytes=proxy.memory_bytes, ttl_cap=settings.cache.memory_ttl, metrics=metrics)
    store, matcher = _guarded(settings, metrics, log)
    if store is not None:
        at_close(store.close)
        await _warm(store, log)
    tier = Tiered(memory, store, recheck=proxy.memory_recheck, clock=wall)
    return Backing(memory, store, matcher, _inspector(settings, at_close), tier)


async def _warm(store: Guarded, log: Log) -> None:
    """A connection before the first request; a store that is away is no reason not to serve."""
    try:
        async with asyncio.timeout(WARM_WITHIN):
            await store.ping()
    except (StoreUnavailable, TimeoutError) as error:
        log.warning("store_unavailable", store=store.name, why=str(error) or LATE)


def _guarded(settings: Settings, metrics: Metrics, log: Log) -> tuple[Guarded | None, GuardedMatcher | None]:
    row, proxy = STORES[settings.cache.type], settings.proxy
    if not (row.shared and settings.cache.enabled):
        return None, None
    deadline = row.deadline if proxy.store_deadline is None else proxy.store_deadline
    around: _Around = {"deadline": deadline, "metrics": metrics, "log": log, "timer": timer}
    if row.open_matcher is not None:
        matcher = GuardedMatcher(row.open_matcher(settings, wall), **around)
        return matcher, matcher
    return Guarded(row.open_reader(settings, wall), **around), None


def _inspector(settings: Settings, at_close: Callable[..., object]) -> Inspector | None:
    open_inspector = STORES[settings.cache.type].open_inspector
    if open_inspector is None or not settings.cache.enabled:
        return None
    inspector = open_inspector(settings)
    at_close(inspector.close)
    return inspector
