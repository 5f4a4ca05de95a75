"""The redis store when its server is away, stuck, full, of another kind, or refuses: words without secrets."""

import asyncio
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from askonce.config.settings import RedisSettings
from askonce.core.entry import Lookup
from askonce.core.errors import ConfigError, StoreRefused, StoreUnavailable
from askonce.stores.redis.exact import RedisReader
from tests.servers import Valkey, free_port
from tests.stores import redis_scene
from tests.stores.contract import Clock, make_entry, make_key, until_works
from tests.stores.redis_scene import PREFIX, OpenPair, settings_of

StartValkey = Callable[..., Valkey]
open_pair = redis_scene.open_pair


async def test_an_asker_that_is_cancelled_takes_nothing_from_the_others(
    start_valkey: StartValkey, open_pair: OpenPair, clock: Clock
) -> None:
    valkey = start_valkey()
    pair = open_pair(settings_of(valkey))
    entry = make_entry(clock)
    await pair.writer.put([entry])
    await pair.reader.ping()
    valkey.pause()
    hasty = asyncio.create_task(pair.reader.get([entry.lookup]))
    patient = asyncio.create_task(pair.reader.get([entry.lookup]))
    await asyncio.sleep(0.02)
    hasty.cancel()
    late = asyncio.create_task(pair.reader.get([entry.lookup]))
    await asyncio.sleep(0.02)
    valkey.resume()
    assert [one.entry for one in await patient if one is not None] == [entry]
    assert [one.entry for one in await late if one is not None] == [entry]
    assert hasty.cancelled()


async def test_closing_leaves_no_asker_waiting(start_valkey: StartValkey, clock: Clock) -> None:
    valkey = start_valkey()
    reader = RedisReader(settings_of(valkey), PREFIX, clock)
    await reader.ping()
    valkey.pause()
    asked = [asyncio.create_task(reader.get([Lookup(make_key(n))])) for n in range(1000)]
    await asyncio.sleep(0.02)
    await reader.close()
    assert {type(error) for error in await asyncio.gather(*asked, return_exceptions=True)} == {StoreUnavailable}
    with pytest.raises(StoreUnavailable):
        await reader.get([Lookup(make_key("late"))])


async def test_recovers_by_itself_when_the_server_comes_back(
    start_valkey: StartValkey, open_pair: OpenPair, clock: Clock
) -> None:
    valkey = start_valkey()
    pair = open_pair(settings_of(valkey))
    entry = make_entry(clock)
    await until_works(pair, entry)
    valkey.kill()
    for work in (pair.reader.get([entry.lookup]), pair.reader.ping(), pair.writer.put([entry]), pair.writer.ping()):
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await work
    valkey.start()
    await until_works(pair, entry)


@pytest.mark.parametrize("password", [None, "a-wrong-word"])
async def test_refused_credentials_are_said_without_them(
    start_valkey: StartValkey, open_pair: OpenPair, clock: Clock, password: str | None
) -> None:
    valkey = start_valkey("--requirepass", "the-right-word")
    secret = None if password is None else SecretStr(password)
    pair = open_pair(RedisSettings(host="127.0.0.1", port=valkey.port, password=secret))
    for work in (pair.reader.get([Lookup(make_key("q"))]), pair.writer.put([make_entry(clock)]), pair.reader.ping()):
        with pytest.raises(StoreUnavailable, match="user name or password") as raised:
            await work
        assert "word" not in str(raised.value).replace("password", "")
        assert raised.value.__cause__ is None
    right = open_pair(RedisSettings(host="127.0.0.1", port=valkey.port, password=SecretStr("the-right-word"), db=3))
    await until_works(right, make_entry(clock))


async def test_a_full_server_is_an_outage_and_the_answer_is_not_in_the_words(
    start_valkey: StartValkey, open_pair: OpenPair, clock: Clock
) -> None:
    pair = open_pair(settings_of(start_valkey("--maxmemory", "1")))
    with pytest.raises(StoreUnavailable, match="out of memory") as raised:
        await pair.writer.put([make_entry(clock, payload=b"a private answer")])
    assert "private" not in repr(raised.value)


async def test_a_replica_serves_reads_and_refuses_writes(
    start_valkey: StartValkey, open_pair: OpenPair, clock: Clock
) -> None:
    pair = open_pair(settings_of(start_valkey("--replicaof", f"127.0.0.1 {free_port()}")))
    assert await pair.get(make_key("q")) == [None]
    with pytest.raises(StoreUnavailable, match="read-only"):
        await pair.writer.put([make_entry(clock)])


async def test_a_member_of_a_cluster_is_told(start_valkey: StartValkey, open_pair: OpenPair) -> None:
    pair = open_pair(settings_of(start_valkey("--cluster-enabled", "yes", "--cluster-port", str(free_port()))))
    with pytest.raises(StoreUnavailable, match="cluster"):
        await pair.get(make_key("q"))


async def test_an_entry_larger_than_the_server_takes_is_refused_and_the_others_are_kept(
    start_valkey: StartValkey, open_pair: OpenPair, clock: Clock
) -> None:
    """It drops the connection of who sends more than it takes, which looks like an outage."""
    valkey = start_valkey("--proto-max-bulk-len", "1mb")
    pair = open_pair(settings_of(valkey))
    small, large = make_entry(clock, "small"), make_entry(clock, "large", payload=bytes(3 << 20))
    with pytest.raises(StoreRefused, match="the server"):
        await pair.writer.put([large, small])
    assert await pair.get(small.key, large.key) == [small, None]
    valkey.kill()
    with pytest.raises(StoreUnavailable):
        await pair.writer.put([large])


@pytest.mark.parametrize(
    "settings",
    [
        RedisSettings(url=SecretStr("http://user:hush@127.0.0.1:1")),
        RedisSettings(url=SecretStr("redis://user:hush@127.0.0.1:1"), arguments={"no_such_argument": "hush"}),
        RedisSettings(host="127.0.0.1", arguments={"no_such_argument": "hush"}),
    ],
)
def test_settings_that_no_client_takes_are_told_at_once(settings: RedisSettings, clock: Clock) -> None:
    with pytest.raises(ConfigError) as raised:
        RedisReader(settings, PREFIX, clock)
    assert "hush" not in str(raised.value)
