from collections import Counter
from dataclasses import dataclass

from askonce.core.entry import JSON, Entry, Lookup
from askonce.core.events import Answered
from askonce.core.key import CacheKey
from askonce.writer.batching import DeletedAt, Message, gather, overtaken
from askonce.writer.settle import Refusal

NOW = 1_800_000_000.0
A, B = CacheKey("", "a" * 64), CacheKey("", "b" * 64)


@dataclass
class Handed:
    deliveries: int = 1
    data: bytes = b""

    async def extend(self) -> None: ...

    async def ack(self) -> None: ...

    async def retry(self, after: float) -> None: ...

    async def reject(self, reason: str) -> None: ...


def entry(
    key: CacheKey, stored_at: float = NOW, ttl: float | None = None, payload: bytes = b"{}", home: str | None = None
) -> Entry:
    return Entry(Lookup(key), payload, JSON, stored_at, ttl, "m", "chat", home=home)


def message(asked_at: float, *entries: Entry) -> Message:
    return Message(Handed(), Answered("id", asked_at, entries))


def nothing(_key: CacheKey, _home: str | None) -> None:
    return None


def at(**times: float) -> DeletedAt:
    """Deletions by the letter of the key, and flushes by home."""
    return lambda key, home: times.get(key.digest[0], times.get(home or ""))


def test_of_one_key_the_entry_stored_last_is_put_whatever_the_order():
    older, newer = entry(A, NOW - 5, payload=b"1"), entry(A, NOW - 3, payload=b"2")
    for order in ([older, newer], [newer, older]):
        batch = gather([message(NOW - 9, one) for one in order], nothing, NOW)
        assert (batch.entries, batch.refused) == ([newer], Counter())


def test_refused_entries_are_counted_and_the_others_put():
    batch = gather(
        [message(NOW - 9, entry(A), entry(B, NOW - 5, ttl=1)), message(NOW - 1, entry(A, NOW + 1))],
        at(a=NOW - 5),
        NOW,
    )
    assert batch.entries == [entry(A, NOW + 1)]
    assert batch.refused == {Refusal.DELETED: 1, Refusal.EXPIRED: 1}
    assert batch.revived == (entry(A),), "an earlier try may have put it"


def test_what_has_expired_is_not_for_us_to_remove():
    batch = gather([message(NOW - 9, entry(A, NOW - 5, ttl=1), entry(B))], nothing, NOW)
    assert (batch.entries, batch.revived) == ([entry(B)], ())


def test_the_second_look_finds_what_was_deleted_since_and_spares_what_was_asked_later():
    batch = gather([message(NOW - 9, entry(A)), message(NOW - 1, entry(B))], nothing, NOW)
    assert overtaken(batch, at(a=NOW - 5, b=NOW - 5)) == [entry(A)]
    assert overtaken(batch, nothing) == []


def test_a_flush_concerns_what_its_proxy_kept():
    ours, theirs = entry(A, home="team"), entry(B, home="other")
    batch = gather([message(NOW - 9, ours, theirs)], at(team=NOW - 5), NOW)
    assert (batch.entries, batch.refused, batch.revived) == ([theirs], Counter({Refusal.DELETED: 1}), (ours,))
    batch = gather([message(NOW - 9, ours, theirs)], nothing, NOW)
    assert overtaken(batch, at(team=NOW - 5)) == [ours]
