"""Where limits are counted: in Redis where the settings name one, else in each process."""

import asyncio
from collections.abc import Callable
from typing import Final

from askonce.config.settings import RedisSettings, Settings
from askonce.core.errors import StoreUnavailable
from askonce.stores.counting.local import LocalCounters
from askonce.stores.counting.protocol import Counters
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

DEADLINE: Final = 0.05  # seconds that a request waits for Redis, as with reads

_CONNECTION: Final = 1.0  # seconds for connecting, and for an answer that nobody waits for any more
_WARM_WITHIN: Final = 2.0


async def open_counters(settings: Settings, *, metrics: Metrics, log: Log, timer: Callable[[], float]) -> Counters:
    """Raises ConfigError. A Redis that is away is only told."""
    limited = _limited(settings)
    redis = settings.access.redis
    if redis is None:
        metrics.gauge("askonce_limits_shared").set(0)
        if limited:
            log.info("limits_not_shared", why="limits are counted in each process: no Redis is configured")
        return LocalCounters(timer)
    from askonce.stores.counting.redis import RedisCounters  # noqa: PLC0415 - redis-py only where it is used
    from askonce.stores.redis.exact import open_keys  # noqa: PLC0415

    prefix = f"{settings.cache.namespace or 'askonce'}:{{limits}}:"  # one slot of a Cluster: a script needs all keys
    deadline = settings.proxy.store_deadline or DEADLINE
    keys = open_keys(redis, _CONNECTION, prefix)
    if limited:
        try:
            async with asyncio.timeout(_WARM_WITHIN):
                await keys.ping(whole=False)
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("limits_not_shared", why=str(error) or "no answer in time")
    return RedisCounters(keys, prefix, deadline=deadline, metrics=metrics, log=log, timer=timer)


def own_redis(settings: Settings) -> RedisSettings | None:
    """What counts for all frontends, where something is limited and it is not the cache's own."""
    redis = settings.access.redis
    return redis if _limited(settings) and redis != settings.cache.redis else None


async def ping(redis: RedisSettings) -> None:
    """Raises StoreUnavailable, or ConfigError for arguments that redis-py refuses."""
    from askonce.stores.redis.exact import open_keys  # noqa: PLC0415 - as above

    keys = open_keys(redis, _CONNECTION, "")
    try:
        await keys.ping(whole=False)
    finally:
        await keys.close()


def _limited(settings: Settings) -> bool:
    return settings.master_key is not None or settings.access.max_parallel_requests is not None
