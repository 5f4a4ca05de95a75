"""The redis store on a real Valkey server: the contract, shared round trips, outages, and words without secrets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from askonce.config.settings import RedisSettings
from askonce.core.entry import Entry, Lookup
from askonce.core.errors import ConfigError, StoreError, StoreRefused, StoreUnavailable
from askonce.stores.redis import exact as module
from askonce.stores.redis.client import translated
from askonce.stores.redis.exact import RedisReader, RedisWriter
from tests.servers import Valkey, free_port
from tests.stores.conftest import settings_of
from tests.stores.contract import Clock, Pair, StoreContract, keys_of, make_entry, make_key

PREFIX = "askonce:"
StartValkey = Callable[..., Valkey]
OpenPair = Callable[[RedisSettings], Pair]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One for all tests that leave it as it is; each begins with an empty one."""
    valkey = Valkey(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    yield valkey
    valkey.kill()


@pytest.fixture
async def raw(server: Valkey) -> AsyncIterator[Redis]:
    client = Redis.from_url(server.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def open_pair(clock: Clock) -> AsyncIterator[OpenPair]:
    pairs: list[Pair] = []

    def open_(settings: RedisSettings) -> Pair:
        reader, writer = RedisReader(settings, PREFIX, clock), RedisWriter(settings, PREFIX, clock)
        pairs.append(Pair(reader, writer, clock, sweeps=False))
        return pairs[-1]

    yield open_
    for one in pairs:
        await one.reader.close()
        await one.writer.close()


class TestContract(StoreContract):
    @pytest.fixture
    def pair(self, raw: Redis, server: Valkey, open_pair: OpenPair) -> Pair:
        return open_pair(settings_of(server))


@pytest.fixture
def pair(raw: Redis, server: Valkey, open_pair: OpenPair) -> Pair:
    return open_pair(settings_of(server))


async def calls(raw: Redis, command: str) -> int:
    return int((await raw.info("commandstats")).get(f"cmdstat_{command}", {}).get("calls", 0))


async def until_works(pair: Pair, entry: Entry) -> None:
    """A lost connection may cost some reads and writes; it never costs more than that."""
    async with asyncio.timeout(20):
        while True:
            try:
                await pair.writer.put([entry])
                assert await pair.get(entry.key) == [entry]
            except StoreUnavailable:
                await asyncio.sleep(0.02)
            else:
                return


async def test_keys_are_written_after_the_prefix(pair: Pair, raw: Redis, clock: Clock) -> None:
    entries = [make_entry(clock), make_entry(clock, namespace="team", ttl=None)]
    await pair.writer.put(entries)
    digest = entries[0].key.digest
    assert sorted(await raw.keys()) == [f"askonce:{digest}".encode(), f"askonce:team:{digest}".encode()]


async def test_the_server_removes_what_has_expired(pair: Pair, raw: Redis, clock: Clock) -> None:
    short, endless = make_entry(clock, "short", ttl=0.5), make_entry(clock, "endless", ttl=None)
    await pair.writer.put([short, endless])
    async with asyncio.timeout(20):
        while await raw.dbsize() > 1:
            await asyncio.sleep(0.02)
    assert await raw.pttl(f"{PREFIX}{endless.key}") == -1


async def test_an_end_counts_from_the_answer(pair: Pair, raw: Redis, clock: Clock) -> None:
    entry = make_entry(clock, ttl=1000.0)
    clock.advance(400)
    await pair.writer.put([entry])
    name = f"{PREFIX}{entry.key}"
    assert await raw.pexpiretime(name) == pytest.approx((entry.stored_at + 1000) * 1000, abs=1)


async def test_what_is_not_ours_is_a_miss_and_can_be_replaced(pair: Pair, raw: Redis, clock: Clock) -> None:
    entry, other = make_entry(clock, "a list"), make_entry(clock, "a text")
    moved = make_key("moved")
    await raw.rpush(f"{PREFIX}{entry.key}", "x")
    await raw.set(f"{PREFIX}{other.key}", '{"response": "of another cache"}')
    await pair.writer.put([third := make_entry(clock, "third")])
    await raw.copy(f"{PREFIX}{third.key}", f"{PREFIX}{moved}")
    assert await pair.get(entry.key, other.key, moved) == [None, None, None]
    await pair.writer.put([entry, other])
    assert await pair.get(entry.key, other.key) == [entry, other]


async def test_gets_of_one_turn_are_one_round_trip(pair: Pair, raw: Redis, clock: Clock) -> None:
    entries = [make_entry(clock, n) for n in range(50)]
    await pair.writer.put(entries)
    before = await calls(raw, "mget")
    answers = await asyncio.gather(*(pair.get(entry.key) for entry in entries))
    assert [one for (one,) in answers] == entries
    assert await calls(raw, "mget") == before + 1
    assert await calls(raw, "get") == 0


async def test_a_flood_takes_few_round_trips_and_few_connections(pair: Pair, raw: Redis, clock: Clock) -> None:
    entries = [make_entry(clock, n) for n in range(100)]
    await pair.writer.put(entries)
    before = await calls(raw, "mget")
    connections = (await raw.info("clients"))["connected_clients"]
    answers = await asyncio.gather(*(pair.get(entries[n % 100].key, make_key(f"absent {n}")) for n in range(2000)))
    assert all(answer == [entries[n % 100], None] for n, answer in enumerate(answers))
    assert await calls(raw, "mget") - before <= 2000 * 2 // 128 + 1
    assert (await raw.info("clients"))["connected_clients"] <= connections + 4


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


async def test_a_connection_that_was_closed_while_idle_costs_nothing(pair: Pair, raw: Redis, clock: Clock) -> None:
    entry = make_entry(clock)
    await pair.writer.put([entry])
    assert await pair.get(entry.key) == [entry]
    await raw.client_kill_filter(_type="normal", skipme=True)
    await asyncio.sleep(0.02)
    assert await pair.get(entry.key) == [entry]
    await pair.writer.put([entry])


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


async def test_more_callers_than_connections_wait_for_one(
    server: Valkey, raw: Redis, open_pair: OpenPair, clock: Clock
) -> None:
    pair = open_pair(settings_of(server).model_copy(update={"max_connections": 2}))
    entries = [make_entry(clock, n) for n in range(40)]
    await asyncio.gather(*(pair.writer.put([entry]) for entry in entries))
    assert await pair.get(*keys_of(entries)) == entries


async def test_an_entry_larger_than_a_value_can_be_is_refused(
    pair: Pair, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LARGEST_VALUE", 1000)
    with pytest.raises(StoreRefused):
        await pair.writer.put([make_entry(clock, payload=b"x" * 1000)])


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
    ("command", "error", "words"),
    [
        (("SET", "key", "a private answer", "PXAT", 0), StoreRefused, "value"),
        (("SET", "key", "a private answer", "PXAT", 1 << 64), StoreRefused, "value"),
        (("SETRANGE", "key", 1 << 29, "a private answer"), StoreRefused, "value"),
        (("SET", "key", "a private answer", "NO_SUCH_WORD"), StoreUnavailable, "Redis 6.2"),
        (("NO_SUCH_COMMAND", "a private answer"), StoreUnavailable, "Redis 6.2"),
        (("CLUSTER", "SLOTS"), StoreUnavailable, "no member of a cluster"),
        (("LPUSH", "text", "a private answer"), StoreUnavailable, "ResponseError"),
    ],
)
async def test_what_is_wrong_with_one_value_is_told_from_what_is_wrong_with_the_server(
    raw: Redis, command: tuple[str | int, ...], error: type[StoreError], words: str
) -> None:
    await raw.set("text", "x")
    with pytest.raises(error, match=words) as raised, translated():
        await raw.execute_command(*command)
    assert type(raised.value) is error
    assert "private" not in str(raised.value)


async def test_arguments_go_to_the_client_and_bytes_stay_bytes(
    server: Valkey, raw: Redis, open_pair: OpenPair, clock: Clock
) -> None:
    arguments = {"client_name": "askonce-test", "decode_responses": True, "socket_timeout": 3}
    pair = open_pair(settings_of(server).model_copy(update={"arguments": arguments}))
    await until_works(pair, make_entry(clock))
    assert "askonce-test" in {client["name"] for client in await raw.client_list()}


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


async def test_of_an_older_and_a_newer_answer_the_newer_stays_after_a_late_redelivery(pair: Pair, clock: Clock) -> None:
    old = make_entry(clock, payload=b"old")
    new = replace(old, payload=b"new", stored_at=old.stored_at + 1)
    other = make_entry(clock, "other")
    await pair.writer.put([new])
    await pair.writer.put([old, other])
    assert await pair.get(old.key, other.key) == [new, other]
