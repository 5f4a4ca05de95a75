"""The bus, in two roles: frontends publish and listen, writers consume. Names the queue's promises, not its product."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from askonce.core.events import Answered, Event
from askonce.core.key import CacheKey


class Delivery(Protocol):
    """One queued message in a writer's hands, until exactly one of `ack`, `retry` and `reject` is called."""

    @property
    def data(self) -> bytes:
        """The frame as it was published."""
        ...

    @property
    def deliveries(self) -> int:
        """How often it has been handed out, this time included."""
        ...

    async def extend(self) -> None:
        """It is still in hand: from now on it may be kept for the queue's whole `ack_wait` again before another writer
        gets it. Counts as no delivery. Does no harm to one that is settled. Raises BusUnavailable.
        """
        ...

    async def ack(self) -> None:
        """Done: it is taken off the queue. For a deletion, the asker is told too."""
        ...

    async def retry(self, after: float) -> None:
        """Not now: hand it out again, to anyone, not before `after` seconds."""
        ...

    async def reject(self, reason: str) -> None:
        """Never: it goes to the dead letters with its reason, and off the queue."""
        ...


class Publisher(Protocol):
    """A frontend's side."""

    @property
    def max_payload(self) -> int:
        """The largest frame in bytes that the server takes."""
        ...

    @property
    def connected(self) -> bool: ...

    async def publish(self, event: Answered) -> None:
        """Returns once the queue has it on disk. A repeat with the same event id is dropped by the queue.

        Raises BusUnavailable (away, timed out, full) or BusRefused (too large; see `wire.split`).
        """
        ...

    def tell(self, event: Event) -> None:
        """Tells every frontend, this one included, at once and without any promise. Never raises, never waits."""
        ...

    async def in_step(self) -> None:
        """Returns once this frontend is in step with the others: what it told before is on its way to all of them,
        and what is on its way to it has been heard. So what one told before its `in_step` returned is known to every
        other after its own.

        Never raises. Gives up after half a second, and at once while the queue is known to be away.
        """
        ...

    async def listen(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> None:
        """Calls `on_event` for whatever is told, and, in order and without loss, for every deletion and flush; `on_gap`
        when something may have been missed (a reconnection). Returns once both feeds stand and `on_event` has had the
        last flush of each namespace.
        """
        ...

    async def delete(self, keys: Sequence[CacheKey], at: float, *, within: float, confirm: bool) -> None:
        """Writes a tombstone for each key and, with `confirm`, waits until a writer's store has removed them.

        `at` is the time of the deletion, seconds since the epoch. Raises BusUnavailable when that did not happen
        within `within` seconds.
        """
        ...

    async def flush(self, namespace: str, at: float, *, within: float) -> None:
        """Has everything go that proxies with this configured namespace ("" for none) had kept by `at`, seconds since
        the epoch. Returns once that is on the queue's disk, from where those that start later have it, and every
        frontend that listens has heard of it: none of them serves any of it from then on. Stores remove it later.

        A frontend that is cut off from the queue is not waited for: it hears of it when it is back. Raises
        BusUnavailable when that did not happen within `within` seconds; it may have happened to a part of them.
        """
        ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


class Record(NamedTuple):
    """What stands under a name of a bucket, and the number of that change."""

    value: bytes
    revision: int


class Bucket(Protocol):
    """Named records that outlive every process, and that every frontend hears of. Names are of A-Z a-z 0-9 _ - and
    single dots in between; any other is a ValueError.

    Every verb raises BusUnavailable when the queue does not answer; what was to be written may have been.
    """

    @property
    def connected(self) -> bool: ...

    async def get(self, name: str) -> Record | None:
        """As the bucket has it at the time of the call: what somebody's `put` has returned from is seen."""
        ...

    async def put(self, name: str, value: bytes, *, revision: int | None = None) -> int:
        """Writes, and gives the revision. With one, only if the record still has it, and 0 is one that is not there;
        raises BusConflict otherwise, and BusRefused for a value that is larger than the queue takes.
        """
        ...

    async def delete(self, name: str, *, revision: int | None = None) -> None:
        """As `put`. One that is not there is no error."""
        ...

    async def all(self, start: str) -> dict[str, Record]:
        """Every record whose name begins with `start`, which ends in a dot. Of a queue of several servers it may be a
        little behind.
        """
        ...

    async def watch(self, on_change: Callable[[str, Record | None], None], on_gap: Callable[[], None]) -> None:
        """Calls `on_change` for every change from here on, in order, None being a deletion; `on_gap` when some may
        have been missed: the bucket was made anew. Returns once it stands; a watcher that is cut off has later what it
        missed, of several changes of one record the last. Once for each bucket: a second call gets none.
        """
        ...


class Tally(Protocol):
    """Sums that all frontends add to, kept by the queue: each amount is added once. Names are those of a bucket.

    A queue that cannot count (NATS before 2.12) raises BusUnavailable at every verb.
    """

    async def add(self, name: str, amount: int, *, once: str) -> int:
        """Gives the new sum. A repeat with the same name and `once` within two minutes adds nothing. Raises
        BusUnavailable; it may have been added, and is to be repeated with the same `once`.
        """
        ...

    async def total(self, name: str) -> int:
        """0 for a name that nothing was added to. Raises BusUnavailable."""
        ...

    async def reset(self, name: str, *, once: str = "") -> None:
        """Takes away what was there; what is added meanwhile stays. Of resets with the same name and `once` within
        two minutes one counts; of two without, in the same moment, both may take away what they saw. Raises
        BusUnavailable.
        """
        ...


class Tombstones(Protocol):
    """Which keys were deleted and which namespaces flushed, and when."""

    async def refresh(self) -> None:
        """After this, every deletion and flush acknowledged before the call is seen. Raises BusUnavailable."""
        ...

    def at(self, key: CacheKey, home: str | None = None) -> float | None:
        """When the entry of this key and home was last deleted or flushed, seconds since the epoch, or None."""
        ...


class Depth(NamedTuple):
    """How full the queue is, of all stores together: `messages` that are in it and their `size`; `limit` is the size at
    which it refuses, infinite where it has none; both are in bytes. `dead` are the dead letters that are kept.
    """

    messages: int
    size: int
    limit: float
    dead: int


class Consumer(Protocol):
    """A writer's side. Writers of one store share the work: each message goes to one of them."""

    @property
    def tombstones(self) -> Tombstones: ...

    @property
    def ack_wait(self) -> float:
        """Seconds that a delivery may be kept before it is handed out again, unless it is extended."""
        ...

    async def answered(self, limit: int, wait: float) -> list[Delivery]:
        """Up to `limit` queued answers, waiting up to `wait` seconds for the first. Empty when none came.

        Raises BusUnavailable.
        """
        ...

    async def deleted(self, limit: int, wait: float) -> list[Delivery]:
        """The same for deletions and flushes (frames of `Deleted` and `Flushed`)."""
        ...

    async def pending(self) -> int:
        """Messages of this store that no writer has acknowledged yet. Raises BusUnavailable."""
        ...

    async def depth(self) -> Depth:
        """Raises BusUnavailable."""
        ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...
