"""What a stored value gives to a reader. Knows the frame of an entry and no store."""

from collections.abc import Sequence
from typing import TypeVar

from askonce.core.entry import Found, Lookup
from askonce.core.errors import WireError
from askonce.core.wire import decode_entry

T = TypeVar("T")


def worth_fetching(near: Sequence[tuple[T, float]], least: float) -> Sequence[tuple[T, float]]:
    """Of what a search found, best first, what is at least so alike; the best alone where nothing is."""
    return [one for one in near if one[1] >= least] or near[:1]


def found(data: bytes | None, lookup: Lookup, source: str, now: float) -> Found | None:
    """The entry in `data`, or None: absent, expired, another key's, or not written by us (as after an upgrade)."""
    if data is None:
        return None
    try:
        entry = decode_entry(data)
    except WireError:
        return None
    return Found(entry, source) if entry.key == lookup.key and entry.fresh(now) else None
