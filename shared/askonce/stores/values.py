"""What a stored value gives to a reader. Knows the frame of an entry and no store."""

from askonce.core.entry import Found, Lookup
from askonce.core.errors import WireError
from askonce.core.wire import decode_entry


def found(data: bytes | None, lookup: Lookup, source: str, now: float) -> Found | None:
    """The entry in `data`, or None: absent, expired, another key's, or not written by us (as after an upgrade)."""
    if data is None:
        return None
    try:
        entry = decode_entry(data)
    except WireError:
        return None
    return Found(entry, source) if entry.key == lookup.key and entry.fresh(now) else None
