"""Where limits are counted: in Redis where the settings name one, else in each process."""

import asyncio
from collections.abc import Callable
from typing import Final

from askonce.config.settings import Settings
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
    limited = settings.master_key is not None or settings.access.max_parallel_requests is not None
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
