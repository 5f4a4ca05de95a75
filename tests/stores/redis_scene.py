"""The redis store in both roles on whatever servers a test says."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from pydantic import SecretStr

from askonce.config.settings import RedisSettings
from askonce.stores.redis.exact import RedisReader, RedisWriter
from tests.servers import RedisLike
from tests.stores.contract import Clock, Pair

PREFIX = "askonce:"
OpenPair = Callable[..., Pair]
_numbers = count()


def settings_of(server: RedisLike, **more: object) -> RedisSettings:
    return RedisSettings(url=SecretStr(server.url), **more)


@pytest.fixture
def open_pair(clock: Clock, opened: list[Any]) -> OpenPair:
    """Opens stores of this test alone: no other has their prefix, unless one is given."""

    def open_(settings: RedisSettings, prefix: str | None = None) -> Pair:
        prefix = f"{PREFIX}{next(_numbers)}:" if prefix is None else prefix
        reader, writer = RedisReader(settings, prefix, clock), RedisWriter(settings, prefix, clock)
        opened.append(Pair(reader, writer, clock, sweeps=False))
        return opened[-1]

    return open_
