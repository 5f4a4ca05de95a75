import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.core import wire
from askonce.core.entry import JSON, Entry, Lookup
from askonce.core.events import Answered, Deleted, Flushed, Superseded
from askonce.core.key import CacheKey
from askonce.writer import settle
from askonce.writer.settle import Refusal, Reject, RejectReason, Retry, RetryReason

NOW = 1_800_000_000.0
HORIZON = 86400.0
KEY = CacheKey("", "a" * 64)


def entry(ttl: float | None = None, stored_at: float = NOW - 1) -> Entry:
    return Entry(Lookup(KEY), b"{}", JSON, stored_at, ttl, "m", "chat")


def answered(asked_at: float = NOW - 2) -> Answered:
    return Answered("id", asked_at, (entry(),))


@pytest.mark.parametrize(
    ("frame", "deliveries", "verdict"),
    [
        (wire.encode(answered()), 1, answered()),
        (wire.encode(answered()), 20, answered()),
        (wire.encode(answered()), 21, Reject(RejectReason.TOO_MANY)),
        (b"", 1, Reject(RejectReason.POISON)),
        (b"AO1 not a frame", 1, Reject(RejectReason.POISON)),
        (wire.encode(answered())[:-1], 1, Reject(RejectReason.POISON)),
        (wire.encode(Deleted((KEY,), NOW)), 1, Reject(RejectReason.POISON)),
        (wire.encode(Superseded((KEY,), NOW)), 1, Reject(RejectReason.POISON)),
        (wire.encode(Flushed("", NOW)), 1, Reject(RejectReason.POISON)),
        (wire.encode(answered(NOW - HORIZON)), 1, answered(NOW - HORIZON)),
        (wire.encode(answered(NOW - HORIZON - 1)), 1, Reject(RejectReason.TOO_OLD)),
        (b"", 21, Reject(RejectReason.TOO_MANY)),
    ],
)
def test_admit(frame, deliveries, verdict):
    assert settle.admit(frame, deliveries, now=NOW, horizon=HORIZON) == verdict


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        (wire.encode(Deleted((KEY,), NOW)), Deleted((KEY,), NOW)),
        (wire.encode(Flushed("team", NOW)), Flushed("team", NOW)),
        (wire.encode(answered()), Reject(RejectReason.POISON)),
        (b"", Reject(RejectReason.POISON)),
    ],
)
def test_admit_deletion(frame, verdict):
    assert settle.admit_deletion(frame) == verdict


@pytest.mark.parametrize(
    ("one", "asked_at", "deleted_at", "verdict"),
    [
        (entry(), NOW - 2, None, None),
        (entry(), NOW - 2, NOW - 3, None),
        (entry(), NOW - 2, NOW - 2, Refusal.DELETED),
        (entry(), NOW - 2, NOW, Refusal.DELETED),
        (entry(), NOW - 2, 0.0, None),
        (entry(), 0.0, 0.0, Refusal.DELETED),
        (entry(ttl=2), NOW - 2, None, None),
        (entry(ttl=1), NOW - 2, None, Refusal.EXPIRED),
        (entry(ttl=0), NOW - 2, None, Refusal.EXPIRED),
        (entry(ttl=1), NOW - 2, NOW, Refusal.DELETED),
    ],
)
def test_refusal(one, asked_at, deleted_at, verdict):
    assert settle.refusal(one, asked_at, deleted_at, NOW) == verdict


@pytest.mark.parametrize(
    ("attempt", "luck", "seconds"),
    [(1, 0, 0.25), (1, 1, 0.5), (2, 1, 1.0), (3, 0, 1.0), (6, 1, 16.0), (7, 1, 30.0), (1_000_000, 1, 30.0)],
)
def test_pause(attempt, luck, seconds):
    assert settle.pause(attempt, luck) == seconds


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_a_pause_is_never_nothing_and_never_more_than_thirty_seconds(attempt, luck):
    assert 0.25 <= settle.pause(attempt, luck) <= 30


def test_failures_end_among_the_dead():
    assert settle.failed(4, 1) == Retry(4.0, RetryReason.FAILED)
    assert settle.failed(5, 1) == Reject(RejectReason.FAILED)
