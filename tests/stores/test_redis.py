"""The redis store on a real Valkey server: the contract, what is written where, and shared round trips."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from askonce.core.errors import StoreError, StoreRefused, StoreUnavailable
from askonce.stores.redis import exact as module
from askonce.stores.redis.client import translated
from tests.servers import Valkey
from tests.stores import redis_scene
from tests.stores.contract import Clock, Pair, StoreContract, keys_of, make_entry, make_key, until_works
from tests.stores.redis_scene import PREFIX, OpenPair, settings_of

open_pair = redis_scene.open_pair


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


class TestContract(StoreContract):
    @pytest.fixture
    def pair(self, raw: Redis, server: Valkey, open_pair: OpenPair) -> Pair:
        return open_pair(settings_of(server), PREFIX)


@pytest.fixture
def pair(raw: Redis, server: Valkey, open_pair: OpenPair) -> Pair:
    return open_pair(settings_of(server), PREFIX)


async def calls(raw: Redis, command: str) -> int:
    return int((await raw.info("commandstats")).get(f"cmdstat_{command}", {}).get("calls", 0))


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


async def test_a_connection_that_was_closed_while_idle_costs_nothing(pair: Pair, raw: Redis, clock: Clock) -> None:
    entry = make_entry(clock)
    await pair.writer.put([entry])
    assert await pair.get(entry.key) == [entry]
    await raw.client_kill_filter(_type="normal", skipme=True)
    await asyncio.sleep(0.02)
    assert await pair.get(entry.key) == [entry]
    await pair.writer.put([entry])


async def test_more_callers_than_connections_wait_for_one(
    server: Valkey, raw: Redis, open_pair: OpenPair, clock: Clock
) -> None:
    pair = open_pair(settings_of(server, max_connections=2))
    entries = [make_entry(clock, n) for n in range(40)]
    await asyncio.gather(*(pair.writer.put([entry]) for entry in entries))
    assert await pair.get(*keys_of(entries)) == entries


async def test_an_entry_larger_than_a_value_can_be_is_refused(
    pair: Pair, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LARGEST_VALUE", 1000)
    with pytest.raises(StoreRefused):
        await pair.writer.put([make_entry(clock, payload=b"x" * 1000)])


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
    pair = open_pair(settings_of(server, arguments=arguments))
    await until_works(pair, make_entry(clock))
    assert "askonce-test" in {client["name"] for client in await raw.client_list()}


async def test_of_an_older_and_a_newer_answer_the_newer_stays_after_a_late_redelivery(pair: Pair, clock: Clock) -> None:
    old = make_entry(clock, payload=b"old")
    new = replace(old, payload=b"new", stored_at=old.stored_at + 1)
    other = make_entry(clock, "other")
    await pair.writer.put([new])
    await pair.writer.put([old, other])
    assert await pair.get(old.key, other.key) == [new, other]
