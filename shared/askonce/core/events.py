"""What has happened, told from process to process. Names are in the past tense."""

from dataclasses import dataclass

from askonce.core.entry import Entry
from askonce.core.key import CacheKey


@dataclass(frozen=True, slots=True)
class Answered:
    """A model has answered; the entries are to be kept.

    `id` names this event, not its keys: it is made once when the answer is complete and reused by publish retries,
    so that the queue drops repeats, while a refresh of the same key is a new event. `asked_at` (seconds since the
    epoch) is when the question was put: an answer asked before a deletion does not bring the entry back.
    """

    id: str
    asked_at: float
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Superseded:
    """A newer answer exists for these keys, too large to be sent to every frontend: older copies are to be dropped."""

    keys: tuple[CacheKey, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Deleted:
    """Somebody had these keys deleted at this time: a tombstone."""

    keys: tuple[CacheKey, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Flushed:
    """Somebody had everything removed that was kept up to this time by proxies with this configured namespace, "" for
    those without one. Which entries these are is in `core.flushes`.
    """

    namespace: str
    at: float


@dataclass(frozen=True, slots=True)
class Cooled:
    """A frontend has seen this deployment fail too often: until then, in seconds since the epoch, nobody asks it who
    can ask another. `deployment` is its id, the same in all frontends.
    """

    deployment: str
    until: float


Event = Answered | Superseded | Deleted | Flushed | Cooled
