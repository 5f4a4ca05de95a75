"""What a store can do: two narrow roles, plural first. A frontend is handed a `Reader`, which has no verb to write."""

from collections.abc import Callable, Sequence
from typing import Protocol

from askonce.core.entry import Entry, Found, Lookup
from askonce.core.errors import StoreUnavailable
from askonce.core.key import CacheKey

Known = Callable[[CacheKey], Entry | None]
"""What the caller has already: entries that need not be fetched."""


def nothing_known(_key: CacheKey) -> None:
    return None


class Crowded(StoreUnavailable):
    """Too many reads of this process wait already. It says nothing of the store, which may be well."""


class Partly(StoreUnavailable):
    """These keys cannot be had, and others can: no reason to skip the store."""


class Reader(Protocol):
    """Reads entries. Every verb raises StoreUnavailable when the store cannot answer now."""

    @property
    def name(self) -> str:
        """The store's type: metric label, log field, and the `detail` of a hit."""
        ...

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        """One answer for each lookup, in order; None for absent, expired and unreadable entries."""
        ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


class Matcher(Reader, Protocol):
    """A Reader that also finds entries by what their questions mean."""

    async def nearest(
        self, lookup: Lookup, limit: int, least: float = -1.0, known: Known = nothing_known
    ) -> list[Found]:
        """The entries that answer questions of `lookup.scope` whose meaning is nearest to `lookup.vector`, best first,
        each with its cosine similarity; at most `limit`. Those below `least` are not fetched, but for the best where
        none is as near as that; nor are those that are `known`. Nothing expired, nothing of another scope, and nothing
        whose vector is of another space or length. Each entry's own lookup has the text that it answers.

        An entry without a vector is found by its key only. Raises StoreUnavailable.
        """
        ...


class Writer(Protocol):
    """Writes entries. Every verb raises StoreUnavailable when the store cannot take it now; nothing is half done
    that a repeat does not mend. StoreUnavailable is about the store, never about an entry: who meets it keeps what
    it has in hand and tries again for as long as it takes.
    """

    @property
    def name(self) -> str: ...

    async def put(self, entries: Sequence[Entry]) -> None:
        """Keeps every entry, durably, or raises. A repeat changes nothing. A store that matches by meaning also keeps
        the vector of an entry that has one; others leave vectors out.

        An entry older (by `stored_at`) than the one already kept need not replace it. Raises StoreRefused when an
        entry can never be kept; the others of the batch may or may not be kept then.
        """
        ...

    async def delete(self, keys: Sequence[CacheKey]) -> None:
        """Removes the keys; unknown keys are no error."""
        ...

    async def remove(self, entries: Sequence[Entry]) -> None:
        """Removes these very answers, told by key and `stored_at`: where a key holds another one, or none, nothing is
        done. Another one is spared whether it is younger or older, since an answer that was asked for after a deletion
        may have been complete before one that was asked for earlier.
        """
        ...

    async def flush(self, namespace: str, before: float) -> int:
        """Removes what was stored by `before` (seconds since the epoch) and a flush of this configured namespace
        reaches (`core.flushes.reaches`), and says how much that was. Entries of other proxies in the same store stay,
        and so does whatever is no entry of ours.

        It goes on in small steps for as long as it takes, and other verbs have their turn in between. What is put
        meanwhile may or may not be reached, if it was stored by then. It may be broken off anywhere, and begun again.
        """
        ...

    async def sweep(self, now: float) -> int:
        """Removes what has expired by `now` (seconds since the epoch) and is still there; says how many."""
        ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...
