"""What every store does: one suite, which each store's test module runs by subclassing."""

import asyncio
import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest

from askonce.core.entry import FLOATS, JSON, SSE, Entry, Found, Lookup, Usage
from askonce.core.errors import StoreUnavailable
from askonce.core.key import CacheKey
from askonce.stores.protocols import Reader, Writer
from tests.stores.flushing import FlushContract

NAMESPACES = ("", "team", "config.name:request-name", "n" * 128 + ":" + "m" * 128)


class Clock:
    """Starts at the real time, since a server's own expiry follows that, and moves only when told."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Pair:
    """A store in both roles. `sweeps` is False where the server removes expired entries by itself."""

    reader: Reader
    writer: Writer
    clock: Clock
    sweeps: bool = True

    async def get(self, *keys: CacheKey) -> list[Entry | None]:
        found = await self.reader.get([Lookup(key) for key in keys])
        return [None if one is None else one.entry for one in found]


async def until_works(pair: Pair, *entries: Entry) -> None:
    """What was away may cost some reads and writes when it is back; it never costs more than that."""
    async with asyncio.timeout(60):
        while True:
            try:
                await pair.writer.ping()
                await pair.writer.put(entries)
                assert await pair.get(*keys_of(entries)) == list(entries)
            except StoreUnavailable:
                await asyncio.sleep(0.02)
            else:
                return


def make_key(name: object, namespace: str = "") -> CacheKey:
    return CacheKey(namespace, hashlib.sha256(str(name).encode()).hexdigest())


def make_entry(
    clock: Clock,
    name: object = "a question",
    *,
    namespace: str = "",
    payload: bytes = b'{"choices":[]}',
    media_type: str = JSON,
    ttl: float | None = 3600.0,
) -> Entry:
    return Entry(
        lookup=Lookup(make_key(name, namespace)),
        payload=payload,
        media_type=media_type,
        stored_at=clock.now,
        ttl=ttl,
        model="gpt-4o-mini",
        call_type="chat",
        usage=Usage(7, 11),
    )


def keys_of(entries: Iterable[Entry]) -> list[CacheKey]:
    return [entry.key for entry in entries]


class StoreContract(FlushContract):
    """Subclasses give the fixture `pair`. `batch` is more entries than any layer of the store takes at once."""

    batch = 500

    @pytest.mark.parametrize("namespace", NAMESPACES)
    @pytest.mark.parametrize(
        ("media_type", "payload"),
        [
            (JSON, '{"choices":[{"message":{"content":"Grüße 🌍"}}]}'.encode()),
            (SSE, b'data: {"a":1}\n\ndata: [DONE]\n\n'),
            (FLOATS, bytes(range(256)) * 6),
            ("text/plain", b"a transcription\r\n"),
            (JSON, b""),
        ],
    )
    async def test_round_trip(self, pair: Pair, namespace: str, media_type: str, payload: bytes) -> None:
        entry = make_entry(pair.clock, namespace=namespace, media_type=media_type, payload=payload)
        await pair.writer.put([entry])
        assert await pair.get(entry.key) == [entry]

    async def test_names_itself_as_the_source(self, pair: Pair) -> None:
        entry = make_entry(pair.clock)
        await pair.writer.put([entry])
        (found,) = await pair.reader.get([entry.lookup])
        assert isinstance(found, Found)
        assert found.source
        assert found.similarity is None

    async def test_answers_in_order_with_none_for_absent(self, pair: Pair) -> None:
        one, two = make_entry(pair.clock, 1), make_entry(pair.clock, 2)
        await pair.writer.put([one, two])
        absent = make_key("absent")
        assert await pair.get(two.key, absent, one.key, two.key) == [two, None, one, two]

    async def test_nothing_asked_nothing_done(self, pair: Pair) -> None:
        await pair.writer.put([])
        await pair.writer.delete([])
        assert await pair.get() == []

    async def test_namespaces_are_apart(self, pair: Pair) -> None:
        entries = [make_entry(pair.clock, namespace=name, payload=name.encode()) for name in NAMESPACES]
        await pair.writer.put(entries)
        assert await pair.get(*keys_of(entries)) == entries
        await pair.writer.delete([entries[0].key])
        assert await pair.get(*keys_of(entries)) == [None, *entries[1:]]

    async def test_serves_until_the_end_and_not_at_it(self, pair: Pair) -> None:
        entry = make_entry(pair.clock, ttl=100.0)
        await pair.writer.put([entry])
        pair.clock.advance(99.5)
        assert await pair.get(entry.key) == [entry]
        pair.clock.advance(0.5)
        assert await pair.get(entry.key) == [None]

    async def test_without_a_ttl_there_is_no_end(self, pair: Pair) -> None:
        entry = make_entry(pair.clock, ttl=None)
        await pair.writer.put([entry])
        pair.clock.advance(10 * 365 * 86400)
        assert await pair.get(entry.key) == [entry]

    async def test_a_ttl_of_zero_serves_nobody(self, pair: Pair) -> None:
        entry = make_entry(pair.clock, ttl=0.0)
        await pair.writer.put([entry])
        assert await pair.get(entry.key) == [None]

    async def test_a_late_delivery_lengthens_no_life(self, pair: Pair) -> None:
        entry = make_entry(pair.clock, ttl=100.0)
        pair.clock.advance(99.0)
        await pair.writer.put([entry])
        assert await pair.get(entry.key) == [entry]
        pair.clock.advance(1.0)
        assert await pair.get(entry.key) == [None]
        await pair.writer.put([entry])
        assert await pair.get(entry.key) == [None]

    async def test_a_newer_answer_replaces(self, pair: Pair) -> None:
        old = make_entry(pair.clock, payload=b"old")
        new = replace(old, payload=b"new", stored_at=old.stored_at + 1)
        await pair.writer.put([old])
        await pair.writer.put([new])
        assert await pair.get(old.key) == [new]

    async def test_an_older_answer_does_not(self, pair: Pair) -> None:
        old = make_entry(pair.clock, payload=b"old")
        new = replace(old, payload=b"new", stored_at=old.stored_at + 1)
        await pair.writer.put([new])
        await pair.writer.put([old])
        assert await pair.get(old.key) == [new]

    @pytest.mark.parametrize("newest_first", [True, False])
    async def test_of_one_key_in_a_batch_the_newest_stays(self, pair: Pair, newest_first: bool) -> None:
        old = make_entry(pair.clock, payload=b"old")
        new = replace(old, payload=b"new", stored_at=old.stored_at + 1)
        await pair.writer.put([new, old] if newest_first else [old, new])
        assert await pair.get(old.key) == [new]

    async def test_a_repeat_changes_nothing(self, pair: Pair) -> None:
        entries = [make_entry(pair.clock, n) for n in range(3)]
        for _ in range(3):
            await pair.writer.put(entries)
        assert await pair.get(*keys_of(entries)) == entries

    async def test_deletes_and_does_not_mind_unknown_keys(self, pair: Pair) -> None:
        stays, goes = make_entry(pair.clock, "stays"), make_entry(pair.clock, "goes")
        await pair.writer.put([stays, goes])
        await pair.writer.delete([goes.key, make_key("unknown"), goes.key])
        assert await pair.get(stays.key, goes.key) == [stays, None]

    async def test_a_deleted_key_may_be_kept_again(self, pair: Pair) -> None:
        entry = make_entry(pair.clock)
        await pair.writer.put([entry])
        await pair.writer.delete([entry.key])
        await pair.writer.put([entry])
        assert await pair.get(entry.key) == [entry]

    async def test_removes_the_very_answer_and_no_other_of_its_key(self, pair: Pair) -> None:
        goes, replaced, absent = (make_entry(pair.clock, name) for name in ("goes", "replaced", "absent"))
        stays = make_entry(pair.clock, "stays")
        younger = replace(replaced, payload=b"younger", stored_at=replaced.stored_at + 1)
        await pair.writer.put([goes, younger, stays])
        await pair.writer.remove([goes, replaced, absent, goes])
        assert await pair.get(*keys_of([goes, replaced, absent, stays])) == [None, younger, None, stays]
        await pair.writer.remove([replace(younger, stored_at=younger.stored_at + 1)])
        assert await pair.get(younger.key) == [younger], "it is older than the one to be removed, and another"
        await pair.writer.remove([])
        await pair.writer.remove([younger])
        assert await pair.get(younger.key) == [None]

    async def test_a_removed_answer_may_be_kept_again(self, pair: Pair) -> None:
        entry = make_entry(pair.clock)
        await pair.writer.put([entry])
        await pair.writer.remove([entry])
        await pair.writer.put([entry])
        assert await pair.get(entry.key) == [entry]

    async def test_a_large_answer(self, pair: Pair) -> None:
        entry = make_entry(pair.clock, payload=bytes(range(256)) * 4096 * 3)
        await pair.writer.put([entry])
        assert await pair.get(entry.key) == [entry]

    async def test_a_large_batch(self, pair: Pair) -> None:
        entries = [make_entry(pair.clock, n, payload=b"%d" % n * 200) for n in range(self.batch)]
        await pair.writer.put(entries)
        assert await pair.get(*keys_of(entries)) == entries

    async def test_many_askers_at_once(self, pair: Pair) -> None:
        entries = [make_entry(pair.clock, n) for n in range(100)]
        await pair.writer.put(entries[::2])
        answers = await asyncio.gather(*(pair.get(entry.key) for entry in entries))
        assert [one for (one,) in answers] == [entry if n % 2 == 0 else None for n, entry in enumerate(entries)]

    async def test_the_sweep_takes_what_has_expired_and_no_more(self, pair: Pair) -> None:
        short = [make_entry(pair.clock, n, ttl=10.0) for n in range(5)]
        rest = [make_entry(pair.clock, "long", ttl=1000.0), make_entry(pair.clock, "endless", ttl=None)]
        await pair.writer.put(short + rest)
        assert await pair.writer.sweep(pair.clock.now) == 0
        pair.clock.advance(10.0)
        assert await pair.writer.sweep(pair.clock.now) == (5 if pair.sweeps else 0)
        assert await pair.writer.sweep(pair.clock.now) == 0
        assert await pair.get(*keys_of(short + rest)) == [None] * 5 + rest

    async def test_a_refresh_before_the_sweep_survives_it(self, pair: Pair) -> None:
        entry = make_entry(pair.clock, ttl=10.0)
        await pair.writer.put([entry])
        refreshed = replace(entry, stored_at=entry.stored_at + 9, payload=b"refreshed")
        await pair.writer.put([refreshed])
        pair.clock.advance(12.0)
        assert await pair.writer.sweep(pair.clock.now) == 0
        assert await pair.get(entry.key) == [refreshed]

    async def test_answers_pings(self, pair: Pair) -> None:
        await pair.reader.ping()
        await pair.writer.ping()
        assert pair.reader.name == pair.writer.name
