"""What a stored value gives to a reader. Knows the frame of an entry and no store."""

from collections.abc import Sequence
from typing import TypeVar

from askonce.core.entry import Found, Lookup
from askonce.core.errors import WireError
from askonce.core.key import CacheKey
from askonce.core.wire import decode_entry
from askonce.stores.protocols import Known, Reader

T = TypeVar("T")


def worth_fetching(near: Sequence[tuple[T, float]], least: float) -> Sequence[tuple[T, float]]:
    """Of what a search found, best first, what is at least so alike; the best alone where nothing is."""
    return [one for one in near if one[1] >= least] or near[:1]


async def fetched(near: Sequence[tuple[CacheKey, float]], scope: str, reader: Reader, known: Known) -> list[Found]:
    """The entries of this scope that a search led to, each with its similarity: those that are known, and the rest
    from the reader in one call.
    """
    entries = {key: known(key) for key, _ in near}
    missing = [key for key, entry in entries.items() if entry is None]
    if missing:
        found = await reader.get([Lookup(key) for key in missing])
        entries |= {key: None if one is None else one.entry for key, one in zip(missing, found, strict=True)}
    held = ((entries[key], similarity) for key, similarity in near)
    return [
        Found(entry, reader.name, similarity)
        for entry, similarity in held
        if entry is not None and entry.lookup.scope == scope
    ]


def found(data: bytes | None, lookup: Lookup, source: str, now: float) -> Found | None:
    """The entry in `data`, or None: absent, expired, another key's, or not written by us (as after an upgrade)."""
    if data is None:
        return None
    try:
        entry = decode_entry(data)
    except WireError:
        return None
    return Found(entry, source) if entry.key == lookup.key and entry.fresh(now) else None
