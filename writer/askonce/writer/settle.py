"""What becomes of a message: done, again later, or the dead letters. Values in, verdicts out; reads no clock, rolls
no dice, touches no queue and no store.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from askonce.core import wire
from askonce.core.entry import Entry
from askonce.core.errors import WireError
from askonce.core.events import Answered, Deleted, Flushed

MAX_DELIVERIES: Final = 20  # beyond it a message is taken for one that ends the process that touches it
MAX_FAILURES: Final = 5  # deliveries in which something nobody thought of went wrong
LONGEST_PAUSE: Final = 30.0  # seconds; the queue's own ack wait, so that nothing rests longer than after a kill
_FIRST_PAUSE: Final = 0.5


class RetryReason(StrEnum):
    UNAVAILABLE = "store-unavailable"  # and this writer was told to stop
    FAILED = "failed"


class RejectReason(StrEnum):
    POISON = "poison"  # no frame of ours
    TOO_OLD = "too-old"  # a deletion that concerns it may have been forgotten
    REFUSED = "refused"  # the store will never take it
    FAILED = "failed"
    TOO_MANY = "too-many-deliveries"


class Refusal(StrEnum):
    """Why an entry is not persisted although nothing is wrong with it."""

    EXPIRED = "expired"
    DELETED = "deleted"  # or flushed


@dataclass(frozen=True, slots=True)
class Ack:
    pass


@dataclass(frozen=True, slots=True)
class Retry:
    """`after` is in seconds."""

    after: float
    reason: RetryReason


@dataclass(frozen=True, slots=True)
class Reject:
    reason: RejectReason


@dataclass(frozen=True, slots=True)
class Hold:
    """The store cannot take it now: it stays in hand. Handed back, it would come again with one delivery more, until
    those of a long outage look like those of a message that ends the process that touches it.
    """


Verdict = Ack | Retry | Reject | Hold
ACK: Final = Ack()
HOLD: Final = Hold()


def admit(frame: bytes, deliveries: int, *, now: float, horizon: float) -> Answered | Reject:
    """The event of a message, or why it is not even tried.

    `horizon` is how far back, in seconds, deletions are remembered: what was asked before that may have been deleted
    since, and nobody would know.
    """
    if deliveries > MAX_DELIVERIES:
        return Reject(RejectReason.TOO_MANY)
    try:
        event = wire.decode(frame)
    except WireError:
        return Reject(RejectReason.POISON)
    if not isinstance(event, Answered):
        return Reject(RejectReason.POISON)
    return Reject(RejectReason.TOO_OLD) if event.asked_at < now - horizon else event


def admit_deletion(frame: bytes) -> Deleted | Flushed | Reject:
    """A deletion or a flush is tried however often it came: it must not be forgotten, and does no harm twice."""
    try:
        event = wire.decode(frame)
    except WireError:
        return Reject(RejectReason.POISON)
    return event if isinstance(event, Deleted | Flushed) else Reject(RejectReason.POISON)


def refusal(entry: Entry, asked_at: float, deleted_at: float | None, now: float) -> Refusal | None:
    """Why this entry is not persisted, or None. A deletion at the very moment of the question wins."""
    if deleted_at is not None and asked_at <= deleted_at:
        return Refusal.DELETED
    return None if entry.fresh(now) else Refusal.EXPIRED


def pause(attempt: int, luck: float) -> float:
    """Seconds before the next attempt, after `attempt` ones: half a second, doubled each time up to 30, of which
    `luck`, between 0 and 1, decides the upper half.
    """
    return float(min(LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt - 1, 10)) * (0.5 + luck / 2))


def failed(deliveries: int, luck: float) -> Retry | Reject:
    if deliveries >= MAX_FAILURES:
        return Reject(RejectReason.FAILED)
    return Retry(pause(deliveries, luck), RetryReason.FAILED)
