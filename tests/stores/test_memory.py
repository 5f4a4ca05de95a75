"""The memory store: the contract, its bounds, and what it refuses after a deletion."""

import random
from dataclasses import replace

import pytest

from askonce.core.entry import Found
from askonce.stores.memory import MemoryStore, MemoryWriter
from askonce.stores.recent import Recent
from askonce.stores.tier import Tiered
from askonce.telemetry.metrics import Metrics
from tests.stores.contract import Clock, Pair, StoreContract, make_entry, make_key

OVERHEAD = 1280


@pytest.fixture
def memory(metrics: Metrics) -> MemoryStore:
    return MemoryStore(64 << 20, metrics)


class TestContract(StoreContract):
    @pytest.fixture
    def pair(self, memory: MemoryStore, clock: Clock) -> Pair:
        return Pair(Tiered(memory, None, recheck=1.0, clock=clock), MemoryWriter(memory, clock), clock)


def test_a_hit_is_the_same_object_so_that_rendered_replies_stay(memory: MemoryStore, clock: Clock) -> None:
    entry = make_entry(clock)
    memory.keep(entry, clock.now, clock.now)
    found = memory.peek(entry.key, clock.now)
    assert found is not None
    memory.keep(entry, clock.now, clock.now)  # told again by the bus
    memory.fill(Found(entry, "redis"), memory.begin(), clock.now)
    assert memory.peek(entry.key, clock.now) is found


def test_what_was_used_longest_ago_leaves_first(metrics: Metrics, clock: Clock) -> None:
    memory = MemoryStore(3 * (OVERHEAD + 2000), metrics)
    entries = [make_entry(clock, n, payload=b"x" * 1000) for n in range(4)]
    for entry in entries[:3]:
        memory.keep(entry, clock.now, clock.now)
    memory.peek(entries[0].key, clock.now)
    memory.keep(entries[3], clock.now, clock.now)
    assert [memory.peek(entry.key, clock.now) is not None for entry in entries] == [True, False, True, True]
    assert b'askonce_memory_evictions_total{reason="size"} 1.0' in metrics.render()


def test_an_entry_larger_than_all_takes_the_place_of_none(metrics: Metrics, clock: Clock) -> None:
    memory = MemoryStore(10_000, metrics)
    small, old = make_entry(clock, "small"), make_entry(clock, "grows")
    for entry in (small, old):
        memory.keep(entry, clock.now, clock.now)
    memory.keep(replace(old, stored_at=old.stored_at + 1, payload=b"x" * 6000), clock.now, clock.now)
    assert memory.peek(small.key, clock.now) is not None
    assert memory.peek(old.key, clock.now) is None, "the older answer would be served in its place"


def test_zero_bytes_keep_nothing(metrics: Metrics, clock: Clock) -> None:
    memory = MemoryStore(0, metrics)
    entry = make_entry(clock, payload=b"")
    memory.keep(entry, clock.now, clock.now)
    assert memory.peek(entry.key, clock.now) is None
    stored = Found(entry, "redis")
    assert memory.fill(stored, memory.begin(), clock.now) is stored


def test_the_cap_counts_from_when_it_was_kept(metrics: Metrics, clock: Clock) -> None:
    memory = MemoryStore(1 << 20, metrics, ttl_cap=30.0)
    entry = make_entry(clock, ttl=3600.0)
    clock.advance(100)
    memory.fill(Found(entry, "redis"), memory.begin(), clock.now)
    clock.advance(29)
    assert memory.peek(entry.key, clock.now) is not None
    clock.advance(1)
    assert memory.peek(entry.key, clock.now) is None


def test_an_expired_one_is_taken_out_when_it_is_met(memory: MemoryStore, metrics: Metrics, clock: Clock) -> None:
    entry = make_entry(clock, ttl=5.0)
    memory.keep(entry, clock.now, clock.now)
    clock.advance(5)
    assert memory.peek(entry.key, clock.now) is None
    assert len(memory) == 0
    assert b'askonce_memory_evictions_total{reason="expired"} 1.0' in metrics.render()


def test_an_answer_asked_before_the_deletion_is_refused(memory: MemoryStore, clock: Clock) -> None:
    asked_at = clock.now
    clock.advance(10)
    deleted_at = clock.now
    memory.forget([make_key("q")], deleted_at)
    clock.advance(10)
    memory.keep(make_entry(clock, "q"), clock.now, asked_at)
    assert memory.peek(make_key("q"), clock.now) is None
    memory.keep(make_entry(clock, "q"), clock.now, deleted_at)
    assert memory.peek(make_key("q"), clock.now) is None, "not later than the deletion"
    memory.keep(make_entry(clock, "other"), clock.now, asked_at)
    assert memory.peek(make_key("other"), clock.now) is not None
    memory.keep(make_entry(clock, "q"), clock.now, deleted_at + 1)
    assert memory.peek(make_key("q"), clock.now) is not None


def test_a_deletion_that_is_heard_late_spares_the_newer_answer(memory: MemoryStore, clock: Clock) -> None:
    entry = make_entry(clock)
    memory.keep(entry, clock.now, asked_at=clock.now - 1)
    memory.forget([entry.key], at=clock.now - 2)
    assert memory.peek(entry.key, clock.now) is not None
    memory.forget([entry.key], at=clock.now - 1)
    assert memory.peek(entry.key, clock.now) is None


def test_an_answer_from_the_store_may_be_of_any_age_so_a_deletion_takes_it(memory: MemoryStore, clock: Clock) -> None:
    entry = make_entry(clock)
    memory.fill(Found(entry, "redis"), memory.begin(), clock.now)
    memory.forget([entry.key], at=clock.now - 2)
    assert memory.peek(entry.key, clock.now) is None


def test_a_store_that_has_not_heard_of_the_deletion_brings_nothing_back(memory: MemoryStore, clock: Clock) -> None:
    entry = make_entry(clock)
    clock.advance(1)
    memory.forget([entry.key], clock.now)
    token = memory.begin()
    assert memory.fill(Found(entry, "redis"), token, clock.now) is None
    assert memory.peek(entry.key, clock.now) is None
    later = replace(entry, stored_at=clock.now + 1)
    assert memory.fill(Found(later, "redis"), token, clock.now) is not None


def test_only_older_copies_are_dropped_for_a_newer_one_elsewhere(memory: MemoryStore, clock: Clock) -> None:
    old, own = make_entry(clock, "old"), make_entry(clock, "own")
    for entry in (old, own):
        memory.keep(entry, clock.now, clock.now)
    memory.drop_older(old.key, clock.now + 1)
    memory.drop_older(own.key, own.stored_at)
    assert memory.peek(old.key, clock.now) is None
    assert memory.peek(own.key, clock.now) is not None


def test_clearing_with_a_time_refuses_what_was_asked_before(memory: MemoryStore, clock: Clock) -> None:
    entry = make_entry(clock)
    memory.keep(entry, clock.now, clock.now)
    memory.clear(at=clock.now)
    assert (len(memory), memory.bytes) == (0, 0)
    memory.keep(entry, clock.now, asked_at=clock.now)
    assert memory.peek(entry.key, clock.now) is None
    assert memory.fill(Found(entry, "redis"), memory.begin(), clock.now) is not None, "the store still has it"


def test_the_sum_of_charges_never_drifts(metrics: Metrics, clock: Clock) -> None:
    """Random work against the same arithmetic done anew."""
    dice = random.Random(7)
    memory = MemoryStore(200_000, metrics)
    for _ in range(3000):
        clock.advance(dice.random())
        name = dice.randrange(60)
        entry = make_entry(clock, name, payload=b"x" * dice.randrange(5000), ttl=dice.choice([None, 0.0, 3.0, 50.0]))
        match dice.randrange(7):
            case 0:
                memory.drop(entry.key)
            case 1:
                memory.forget([entry.key], clock.now - dice.random())
            case 2:
                memory.peek(entry.key, clock.now)
            case 3:
                memory.fill(Found(entry, "redis"), memory.begin() - dice.randrange(2), clock.now)
            case 4:
                memory.drop_older(entry.key, clock.now - dice.random())
            case _:
                memory.keep(entry, clock.now, clock.now)
        assert memory.bytes <= 200_000
    alive = [found for n in range(60) if (found := memory.peek(make_key(n), clock.now)) is not None]
    assert len(memory) == len(alive)
    assert memory.bytes == sum(OVERHEAD + 2 * len(found.entry.payload) for found in alive)
    assert f"askonce_memory_bytes {float(memory.bytes)}".encode() in metrics.render()


def test_what_was_cut_from_the_memory_of_marks_counts_for_every_key() -> None:
    recent = Recent(limit=2)
    recent.note("a", 5.0)
    assert (recent.last("a"), recent.last("b")) == (5.0, float("-inf"))
    recent.note("a", 3.0)
    assert recent.last("a") == 5.0, "marks only rise"
    recent.note("b", 6.0)
    recent.note("c", 7.0)
    assert (recent.last("a"), recent.last("unknown"), recent.last("b")) == (5.0, 5.0, 6.0)
    assert (recent.exactly("a"), recent.exactly("c")) == (float("-inf"), 7.0)
