"""A frontend that lets a request in and is killed: `python -m tests.stores.counting_child URL CLAIM`."""

import asyncio
import sys
from time import perf_counter

from pydantic import SecretStr

from askonce.config.settings import RedisSettings
from askonce.stores.counting.protocol import Claim
from askonce.stores.counting.redis import RedisCounters
from askonce.stores.redis.exact import open_keys
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.stores.counting_scene import PREFIX, together


async def main(url: str, name: str) -> None:
    keys = open_keys(RedisSettings(url=SecretStr(url)), 5.0, PREFIX)
    metrics = Metrics()
    counters = RedisCounters(
        keys, PREFIX, deadline=5.0, metrics=metrics, log=Log("child"), timer=perf_counter, slot=2.0
    )
    if await counters.take((Claim(name, parallel=1),)) is None and together(metrics):
        print("taken", flush=True)
    await asyncio.sleep(60)


asyncio.run(main(*sys.argv[1:]))
