"""What every bucket and tally promises, as tests: each bus runs them all."""

import asyncio
from typing import Protocol
from uuid import uuid4

import pytest

from askonce.bus.nats import FrontendBus
from askonce.bus.protocols import Bucket, Record
from askonce.core.errors import BusConflict
from tests.bus.kit import until

KEY = f"key.{7:064x}"


class RecordsWorld(Protocol):
    async def frontend(self) -> FrontendBus:
        """One of several on the same fresh bus."""
        ...


class Watcher:
    """Notes what it hears of a bucket."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes | None]] = []
        self.gaps = 0

    def hear(self, name: str, record: Record | None) -> None:
        self.heard.append((name, None if record is None else record.value))

    def miss(self) -> None:
        self.gaps += 1

    async def watch(self, bucket: Bucket) -> None:
        await bucket.watch(self.hear, self.miss)


class RecordsContract:
    async def test_a_record_is_there_as_it_was_put_until_it_is_deleted(self, world: RecordsWorld) -> None:
        keys = (await world.frontend()).keys
        assert await keys.get(KEY) is None
        first = await keys.put(KEY, b"\x00\xff")
        assert await keys.get(KEY) == Record(b"\x00\xff", first)
        second = await keys.put(KEY, b"")
        assert await keys.get(KEY) == Record(b"", second)
        assert second > first > 0
        await keys.delete(KEY)
        assert await keys.get(KEY) is None
        await keys.delete(KEY)
        await keys.delete("key.never-there")

    async def test_what_one_has_put_or_deleted_every_other_sees(self, world: RecordsWorld) -> None:
        one, other = (await world.frontend()).keys, (await world.frontend()).keys
        for number in range(50):
            revision = await one.put(KEY, b"%d" % number)
            assert await other.get(KEY) == Record(b"%d" % number, revision)
            await other.delete(KEY)
            assert await one.get(KEY) is None

    async def test_of_many_who_create_one_record_one_does(self, world: RecordsWorld) -> None:
        buckets = [(await world.frontend()).keys for _ in range(4)]
        for number in range(10):
            if number % 2:  # a name that was in use before is as free as a new one
                await buckets[0].put(f"alias.{number}", b"before")
                await buckets[1].delete(f"alias.{number}")
            tries = [bucket.put(f"alias.{number}", b"%d" % who, revision=0) for who, bucket in enumerate(buckets)]
            done = await asyncio.gather(*tries, return_exceptions=True)
            assert sorted(isinstance(one, BusConflict) for one in done) == [False, True, True, True]
            (who,) = (who for who, one in enumerate(done) if isinstance(one, int))
            assert await buckets[0].get(f"alias.{number}") == Record(b"%d" % who, done[who])

    async def test_what_somebody_else_has_changed_is_not_written_over(self, world: RecordsWorld) -> None:
        one, other = (await world.frontend()).keys, (await world.frontend()).keys
        read = await one.put(KEY, b"read")
        changed = await other.put(KEY, b"changed", revision=read)
        for refused in (one.put(KEY, b"mine", revision=read), one.put(KEY, b"mine", revision=0)):
            with pytest.raises(BusConflict):
                await refused
        with pytest.raises(BusConflict):
            await one.delete(KEY, revision=read)
        assert await one.get(KEY) == Record(b"changed", changed)
        await other.delete(KEY, revision=changed)
        await one.delete(KEY, revision=changed)  # gone already
        with pytest.raises(BusConflict):
            await one.put(KEY, b"mine", revision=changed)
        assert await one.get(KEY) is None

    async def test_many_records_are_listed_by_the_start_of_their_names(self, world: RecordsWorld) -> None:
        keys, other = (await world.frontend()).keys, (await world.frontend()).keys
        assert await keys.all("key.") == {}
        expected: dict[str, Record] = {}
        for start in range(0, 1000, 100):
            named = [f"key.{number:064x}" for number in range(start, start + 100)]
            written = await asyncio.gather(*(keys.put(name, name.encode() * 10) for name in named))
            for name, revision in zip(named, written, strict=True):
                expected[name] = Record(name.encode() * 10, revision)
        for name in ("keys.x", "team.x", "a.key.x"):
            await keys.put(name, b"another kind")
        gone, changed = f"key.{10:064x}", f"key.{20:064x}"
        await keys.delete(gone)
        del expected[gone]
        expected[changed] = Record(b"changed", await keys.put(changed, b"changed"))
        assert await other.all("key.") == expected
        assert set(await other.all("team.")) == {"team.x"}
        assert await other.all("nothing.") == {}

    async def test_a_watcher_hears_every_change_from_then_on_in_order(self, world: RecordsWorld) -> None:
        one, other, watcher = (await world.frontend()).keys, (await world.frontend()).keys, Watcher()
        await one.put("key.before", b"not heard")
        await watcher.watch(other)
        expected: list[tuple[str, bytes | None]] = []
        for number in range(20):
            name = f"key.{number % 10}"
            await one.put(name, b"%d" % number)
            expected.append((name, b"%d" % number))
            await until(lambda: len(watcher.heard) == len(expected))
        await other.delete("key.5")
        await until(lambda: len(watcher.heard) == 21)
        assert (watcher.heard, watcher.gaps) == ([*expected, ("key.5", None)], 0)

    async def test_names_that_no_server_takes_are_refused_here(self, world: RecordsWorld) -> None:
        bus = await world.frontend()
        for name in ("", ".", "a.", ".a", "a..b", "a b", "a*", ">", "a.>", "ä", "a\n"):
            for refused in (bus.keys.get(name), bus.keys.put(name, b""), bus.keys.delete(name)):
                with pytest.raises(ValueError, match="the name of a record"):
                    await refused
            for refused in (bus.spent.add(name, 1, once="x"), bus.spent.total(name)):
                with pytest.raises(ValueError, match="the name of a record"):
                    await refused
        for start in ("", "key", "*.", "."):
            with pytest.raises(ValueError, match="of a record"):
                await bus.keys.all(start)

    async def test_a_sum_is_what_was_added(self, world: RecordsWorld) -> None:
        spent, other = (await world.frontend()).spent, (await world.frontend()).spent
        assert await spent.total(KEY) == 0
        assert await spent.add(KEY, 5, once="a") == 5
        assert await other.add(KEY, 10**15, once="b") == 10**15 + 5
        assert await spent.add(KEY, -2, once="c") == 10**15 + 3
        assert await spent.add(KEY, 0, once="d") == 10**15 + 3
        assert (await other.total(KEY), await other.total("team.x")) == (10**15 + 3, 0)

    async def test_a_repeat_adds_nothing_and_gives_the_sum(self, world: RecordsWorld) -> None:
        spent, other = (await world.frontend()).spent, (await world.frontend()).spent
        assert await spent.add(KEY, 5, once="a") == 5
        assert await spent.add(KEY, 7, once="b") == 12
        assert await other.add(KEY, 5, once="a") == 12
        assert await spent.add("team.x", 5, once="a") == 5  # another name, another sum

    async def test_a_reset_takes_away_what_was_there(self, world: RecordsWorld) -> None:
        spent, other = (await world.frontend()).spent, (await world.frontend()).spent
        await spent.reset(KEY)
        for amount, total in ((5, 5), (3, 3)):  # a second reset is no repeat of the first
            assert await spent.add(KEY, amount, once=f"{amount}") == total
            await other.reset(KEY)
            assert await spent.total(KEY) == 0
        assert await spent.add(KEY, 3, once="3") == 0

    async def test_a_reset_of_several_at_once_counts_once(self, world: RecordsWorld) -> None:
        tallies = [(await world.frontend()).spent for _ in range(3)]
        await tallies[0].add(KEY, 100, once="before")
        work = [tally.reset(KEY, once="november") for tally in tallies]
        work += [tally.add(KEY, 1, once=uuid4().hex) for tally in tallies for _ in range(5)]
        await asyncio.gather(*work)
        total = await tallies[0].total(KEY)
        assert 0 <= total <= 15  # what was added before the reset went with it
        await asyncio.gather(*(tally.reset(KEY, once="november") for tally in tallies))
        assert await tallies[0].total(KEY) == total

    async def test_what_two_add_at_once_with_repeats_is_summed_exactly(self, world: RecordsWorld) -> None:
        tallies = [(await world.frontend()).spent for _ in range(2)]
        amounts = [(uuid4().hex, number) for number in range(1, 101)]
        work = [tally.add(KEY, amount, once=once) for once, amount in amounts for tally in tallies]
        await asyncio.gather(*work, *(tallies[0].add("other", 1, once=once) for once, _ in amounts))
        assert [await tally.total(KEY) for tally in tallies] == [5050, 5050]
        assert await tallies[1].total("other") == 100
