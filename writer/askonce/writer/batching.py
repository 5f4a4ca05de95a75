"""Messages that are persisted together, and which of their entries. Asks no queue and no store."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from askonce.bus.protocols import Delivery
from askonce.core.entry import Entry
from askonce.core.events import Answered
from askonce.core.key import CacheKey
from askonce.writer.settle import Refusal, refusal

DeletedAt = Callable[[CacheKey, str | None], float | None]
"""When the entry of this key and home was last deleted or flushed: `bus.protocols.Tombstones.at`."""


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """An admitted message."""

    delivery: Delivery
    event: Answered


@dataclass(frozen=True, slots=True)
class Asked:
    """An entry and when its question was put."""

    entry: Entry
    at: float


@dataclass(frozen=True, slots=True)
class Batch:
    """`asked` are to be put, one of each key. `refused` counts the entries that are not. `revived` are those of them
    that were deleted or flushed: an earlier try, cut short, may have put them after that, so they are to be removed.
    """

    asked: tuple[Asked, ...]
    refused: Counter[Refusal]
    revived: tuple[Entry, ...]

    @property
    def entries(self) -> list[Entry]:
        return [one.entry for one in self.asked]


def gather(messages: Iterable[Message], deleted_at: DeletedAt, now: float) -> Batch:
    """What is to be done for these messages; of several entries with one key the one stored last."""
    newest: dict[CacheKey, Asked] = {}
    refused: Counter[Refusal] = Counter()
    revived: list[Entry] = []
    for message in messages:
        for entry in message.event.entries:
            key, at = entry.key, message.event.asked_at
            why = refusal(entry, at, deleted_at(key, entry.home), now)
            if why is not None:
                refused[why] += 1
            elif key not in newest or newest[key].entry.stored_at <= entry.stored_at:
                newest[key] = Asked(entry, at)
            if why is Refusal.DELETED:
                revived.append(entry)
    return Batch(tuple(newest.values()), refused, tuple(revived))


def overtaken(batch: Batch, deleted_at: DeletedAt) -> list[Entry]:
    """The second look, after the put: the entries deleted or flushed at the time of their question or later."""
    times = ((one, deleted_at(one.entry.key, one.entry.home)) for one in batch.asked)
    return [one.entry for one, at in times if at is not None and one.at <= at]
