"""Of the suite in `tests.stores.contract`: what a flush takes out of a store that several proxies share."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from askonce.core.entry import JSON, Entry, Lookup
from askonce.core.key import CacheKey

if TYPE_CHECKING:
    from tests.stores.contract import Pair

# What stands before the digest, and the configured namespace of the proxy that kept it: one without, three with one.
KEPT = (
    ("", ""), ("b", ""), ("team", ""), ("team:b", ""),
    ("team", "team"), ("team:b", "team"), ("team:b:c", "team"), ("team:..", "team"), ("team::x", "team"),
    ("team2", "team2"), ("team2:b", "team2"),
    ("team:b", "team:b"), ("team:b:c", "team:b"),
)  # fmt: skip


def kept_by(home: str | None, name: object, stored_at: float, namespace: str, text: str = "") -> Entry:
    """Any two differ in their keys."""
    digest = hashlib.sha256(f"{home} {name}".encode()).hexdigest()
    lookup = Lookup(CacheKey(namespace, digest), "5" * 64 if text else "", text)
    return Entry(lookup, f'"{name}"'.encode(), JSON, stored_at, 3600.0, "gpt-4o-mini", "chat", home=home)


async def left(pair: "Pair", entries: Sequence[Entry]) -> list[Entry]:
    return [one for one in await pair.get(*(entry.key for entry in entries)) if one is not None]


def of(home: str, entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.home == home]


class FlushContract:
    @pytest.mark.parametrize("flushed", ["", "team", "team2", "team:b"])
    async def test_a_flush_takes_what_its_proxy_kept_and_leaves_the_others(self, pair: "Pair", flushed: str) -> None:
        now = pair.clock.now
        entries = [kept_by(home, number, now, namespace) for number, (namespace, home) in enumerate(KEPT)]
        await pair.writer.put(entries)
        assert await left(pair, entries) == entries
        assert await pair.writer.flush(flushed, now) == len(of(flushed, entries)) > 0
        assert await left(pair, entries) == [entry for entry in entries if entry.home != flushed]

    @pytest.mark.parametrize(("flushed", "reached"), [("", {0}), ("team", {1, 2}), ("team2", {3}), ("tea", set())])
    async def test_where_nobody_said_who_kept_it_its_key_decides(
        self, pair: "Pair", flushed: str, reached: set[int]
    ) -> None:
        names = ("", "team", "team:b", "team2", "b")
        entries = [kept_by(None, number, pair.clock.now, name) for number, name in enumerate(names)]
        await pair.writer.put(entries)
        assert await pair.writer.flush(flushed, pair.clock.now) == len(reached)
        assert await left(pair, entries) == [one for number, one in enumerate(entries) if number not in reached]

    @pytest.mark.parametrize("home", ["", "team"])
    async def test_what_was_stored_later_stays(self, pair: "Pair", home: str) -> None:
        at = pair.clock.now - 100
        seconds = (-50.0, -0.001, 0.0, 0.001, 50.0)
        entries = [kept_by(home, second, at + second, home) for second in seconds]
        refreshed = kept_by(home, "refreshed", at - 9, home)
        newer = replace(refreshed, stored_at=at + 9, payload=b'"newer"')
        for batch in ([*entries, refreshed], [newer]):
            await pair.writer.put(batch)
        assert await pair.writer.flush(home, at) == 3
        assert await left(pair, [*entries, newer]) == [*entries[3:], newer]

    async def test_a_flush_of_nothing_is_none(self, pair: "Pair") -> None:
        stays = kept_by("team", "stays", pair.clock.now, "team")
        assert await pair.writer.flush("", pair.clock.now) == 0
        await pair.writer.put([stays])
        for namespace in ("", "nobody's", "tea", "team:"):
            assert await pair.writer.flush(namespace, pair.clock.now) == 0
        assert await left(pair, [stays]) == [stays]

    async def test_what_was_flushed_may_be_kept_again(self, pair: "Pair") -> None:
        entry = kept_by("team", 1, pair.clock.now, "team:b")
        newer = replace(entry, stored_at=entry.stored_at + 1)
        for one in (entry, newer):
            await pair.writer.put([one])
            assert await pair.writer.flush("team", one.stored_at) == 1
            assert await pair.writer.flush("team", one.stored_at) == 0
            assert await pair.get(entry.key) == [None]
        await pair.writer.put([newer])
        assert await pair.get(entry.key) == [newer]

    async def test_a_flush_of_many_entries_among_many_others(self, pair: "Pair") -> None:
        count, now = getattr(self, "batch", 0) // 2, pair.clock.now
        goes = [kept_by("team", number, now, "team") for number in range(count)]
        stays = [kept_by("", number, now, "team" if number % 2 else "") for number in range(count // 5)]
        await pair.writer.put([*goes, *stays])
        assert await pair.writer.flush("team", now) == count > 0
        assert await left(pair, [*goes, *stays]) == stays

    async def test_an_entry_is_told_by_its_head_however_long_its_text_or_its_answer_is(self, pair: "Pair") -> None:
        now = pair.clock.now
        long = [kept_by(home, "long", now, "team", "words " * 2000) for home in ("team", "")]
        large = [
            replace(kept_by(home, "large", now, "team"), payload=bytes(range(256)) * 4096) for home in ("team", "")
        ]
        await pair.writer.put([*long, *large])
        assert await pair.writer.flush("team", now) == 2
        assert await left(pair, [*long, *large]) == [long[1], large[1]]
