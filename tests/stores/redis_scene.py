"""The redis store in both roles on whatever servers a test says."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from pydantic import SecretStr

from askonce.config.settings import RedisSettings
from askonce.core.errors import StoreUnavailable
from askonce.stores.redis.exact import RedisReader, RedisWriter
from tests.servers import RedisLike
from tests.stores.contract import Clock, Pair, keys_of, make_entry

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


async def works(pair: Pair) -> None:
    entries = [make_entry(pair.clock, n) for n in range(9)]
    await pair.reader.ping()
    await pair.writer.ping()
    await pair.writer.put(entries)
    assert await pair.get(*keys_of(entries)) == entries
    await pair.writer.delete(keys_of(entries))
    assert await pair.get(*keys_of(entries)) == [None] * len(entries)
    await pair.writer.put(entries)
    assert await pair.writer.flush("", pair.clock.now) == len(entries)
    assert await pair.get(*keys_of(entries)) == [None] * len(entries)


async def fails(pair: Pair, match: str) -> None:
    """Every verb, and without a word that was given."""
    entry = make_entry(pair.clock)
    verbs = (pair.get(entry.key), pair.reader.ping(), pair.writer.put([entry]), pair.writer.delete([entry.key]))
    for work in (*verbs, pair.writer.remove([entry]), pair.writer.flush("", pair.clock.now), pair.writer.ping()):
        with pytest.raises(StoreUnavailable, match=match) as raised:
            await work
        assert "word-of" not in str(raised.value)
